//! The parameters of a request, and which of them somebody has read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use percent_encoding::percent_decode;
use sandbox_cloud::ApiError;
use sandbox_cloud::model::Tag;
use sandbox_cloud::request::{Filter, Page, TagSpecification};

/// A form. Reading a parameter marks it as understood; what is left over at the end is refused.
pub(crate) struct Form {
    values: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

fn invalid(name: &str, value: &str, expected: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("Invalid value '{value}' for {name}. {expected}"))
}

impl Form {
    /// Reads a form body.
    pub(crate) fn read(body: &[u8]) -> Result<Form, ApiError> {
        let malformed = || ApiError::new("MalformedQueryString", "The query string contains a syntax error");
        let mut values = BTreeMap::new();
        for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let mut half = || decode(halves.next().unwrap_or_default()).ok_or_else(malformed);
            let (name, value) = (half()?, half()?);
            if values.contains_key(&name) {
                return Err(ApiError::new("InvalidParameter", format!("The parameter {name} is given more than once")));
            }
            values.insert(name, value);
        }
        Ok(Form { values, read: RefCell::default() })
    }

    /// The operation asked for; empty if there is none.
    pub(crate) fn action(&self) -> String {
        self.text("Action").unwrap_or_default()
    }

    /// A parameter as it is.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(name)?;
        self.read.borrow_mut().insert(name.to_owned());
        Some(value.clone())
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| ApiError::new("MissingParameter", format!("The request must contain the parameter {name}")))
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.parsed(name, |text| text.parse().ok(), "It must be an integer.")
    }

    /// A number.
    pub(crate) fn decimal(&self, name: &str) -> Result<Option<f64>, ApiError> {
        self.parsed(name, |text| text.parse().ok().filter(|n: &f64| n.is_finite()), "It must be a number.")
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.parsed(name, read, "It must be true or false.")
    }

    /// A time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.parsed(name, |text| text.parse().ok(), "It must be a time such as 2026-01-02T03:04:05Z.")
    }

    /// Bytes in base64.
    pub(crate) fn base64(&self, name: &str) -> Result<Option<Vec<u8>>, ApiError> {
        use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
        let engine = GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let Some(text) = self.text(name) else { return Ok(None) };
        // Encoders for mail break lines, and EC2 does not mind.
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        engine.decode(text).map(Some).map_err(|_| {
            let what = if name.contains("UserData") { "user data" } else { name };
            ApiError::new("InvalidParameterValue", format!("Invalid BASE64 encoding of {what}."))
        })
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>, expected: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| invalid(name, &text, expected))
    }

    /// A parameter that has an effect for other values than these, which is not simulated.
    pub(crate) fn only(&self, name: &str, simulated: &[&str]) -> Result<(), ApiError> {
        match self.text(name) {
            Some(value) if !simulated.iter().any(|s| s.eq_ignore_ascii_case(&value)) => {
                Err(ApiError::gap("UnsupportedOperation", format!("The value '{value}' of the parameter {name} is not simulated")))
            }
            _ => Ok(()),
        }
    }

    /// The values of a list `name.1`, `name.2`, ….
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.items(name).iter().filter_map(|item| self.text(item)).collect()
    }

    /// The names of the items of a list, in order: `name.1`, `name.2`, ….
    pub(crate) fn items(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}.");
        let numbers: BTreeSet<u32> = self
            .values
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .filter_map(|(key, _)| key[prefix.len()..].split('.').next()?.parse().ok())
            .collect();
        numbers.into_iter().map(|n| format!("{name}.{n}")).collect()
    }

    /// Whether anything is given under a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.values.contains_key(name) || self.values.range(prefix.clone()..).next().is_some_and(|(k, _)| k.starts_with(&prefix))
    }

    /// `Filter.N`.
    pub(crate) fn filters(&self) -> Result<Vec<Filter>, ApiError> {
        self.items("Filter")
            .iter()
            .map(|item| {
                let name = self.required(&format!("{item}.Name"))?;
                Ok(Filter { name, values: self.list(&format!("{item}.Value")) })
            })
            .collect()
    }

    /// `MaxResults` and `NextToken`.
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        Ok(Page { max_results: self.integer("MaxResults")?, next_token: self.text("NextToken") })
    }

    /// `<prefix>.N.Key` and `.Value`.
    pub(crate) fn tags(&self, prefix: &str) -> Result<Vec<Tag>, ApiError> {
        self.items(prefix)
            .iter()
            .map(|item| {
                let key = self.required(&format!("{item}.Key"))?;
                Ok(Tag { key, value: self.text(&format!("{item}.Value")).unwrap_or_default() })
            })
            .collect()
    }

    /// `TagSpecification.N`, after a prefix.
    pub(crate) fn tag_specifications(&self, prefix: &str) -> Result<Vec<TagSpecification>, ApiError> {
        self.items(&format!("{prefix}TagSpecification"))
            .iter()
            .map(|item| {
                let resource_type = self.required(&format!("{item}.ResourceType"))?;
                Ok(TagSpecification { resource_type, tags: self.tags(&format!("{item}.Tag"))? })
            })
            .collect()
    }

    /// Refuses what nobody has read.
    pub(crate) fn refuse_leftovers(&self) -> Result<(), ApiError> {
        let read = self.read.borrow();
        let left: Vec<&str> = self.values.keys().filter(|name| !read.contains(*name)).map(String::as_str).collect();
        match left.as_slice() {
            [] => Ok(()),
            [name] => Err(ApiError::gap("UnknownParameter", format!("The parameter {name} is not recognized"))),
            names => {
                let list = names.join(", ");
                Err(ApiError::gap("UnknownParameter", format!("The parameters {list} are not recognized")))
            }
        }
    }
}

fn decode(encoded: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = encoded.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_the_order_of_their_numbers() {
        let form = Form::read(b"A.10=k&A.2=b&A.1=a&AB.1=other&A.2.X=deep").unwrap();
        assert_eq!(form.list("A"), ["a", "b", "k"]);
        assert_eq!(form.items("A"), ["A.1", "A.2", "A.10"]);
    }

    #[test]
    fn what_nobody_reads_is_refused() {
        let form = Form::read(b"Action=X&A=1&B.1.C=2").unwrap();
        assert_eq!(form.action(), "X");
        assert_eq!(form.integer("A").unwrap(), Some(1));
        let error = form.refuse_leftovers().unwrap_err();
        assert_eq!((error.code.as_str(), error.gap), ("UnknownParameter", true));
        assert_eq!(error.message, "The parameter B.1.C is not recognized");
        form.text("B.1.C");
        assert!(form.refuse_leftovers().is_ok());
    }

    #[test]
    fn forms_are_decoded() {
        type Read = Result<Option<String>, &'static str>;
        let cases: [(&[u8], Read); 5] = [
            (b"A=a+b%20c%2Bd", Ok(Some("a b c+d".to_owned()))),
            (b"A=%C3%A9=", Ok(Some("é=".to_owned()))),
            (b"A", Ok(Some(String::new()))),
            (b"A=%FF", Err("MalformedQueryString")),
            (b"A=1&A=2", Err("InvalidParameter")),
        ];
        for (body, expected) in cases {
            let got = Form::read(body).map(|f| f.text("A")).map_err(|e| e.code);
            assert_eq!(got, expected.map_err(str::to_owned), "{}", String::from_utf8_lossy(body));
        }
    }
}
