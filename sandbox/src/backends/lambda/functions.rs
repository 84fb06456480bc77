//! Making, reading, changing and removing functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::authority::Need;
use crate::json::{page, read, validation};
use crate::protocol::{Failure, Request};

use super::asked::{Create, Publish, Tags, UpdateCode, UpdateConfiguration};
use super::code::{self, Code};
use super::route::{self, LATEST, Place};
use super::state::{Function, Settings, Version, no_function, settled};
use super::{Lambda, conflict, done, invalid, rules};

impl Lambda {
    pub(super) fn place(&self, request: &Request) -> Result<Place, Failure> {
        route::place(request, self.account())
    }

    /// A function without a version, for operations that know none.
    pub(super) fn whole(&self, request: &Request) -> Result<Place, Failure> {
        let place = self.place(request)?;
        match &place.qualifier {
            None => Ok(place),
            Some(_) => Err(Failure::gap(format!("a qualifier in lambda {}", request.operation))),
        }
    }

    pub(super) async fn create(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Create = read(request)?;
        let place = route::parse(&asked.function_name, self.account(), &request.region)?;
        if place.qualifier.is_some() {
            return Err(invalid("The function name may not carry a version"));
        }
        let settings = rules::settings(&asked)?;
        self.check_role(request, &settings.role, &place.name)?;
        let key = (request.region.clone(), place.name.clone());
        let exists = || conflict(format!("Function already exist: {}", place.name));
        if self.lock().functions.contains_key(&key) {
            return Err(exists());
        }
        let code = self.unpack(asked.code.zip_file.0).await?;
        let now = request.now;
        let version = Version {
            region: request.region.clone(),
            account: self.account().to_owned(),
            name: place.name.clone(),
            label: LATEST.to_owned(),
            settings,
            code: Arc::new(code),
            modified: now,
            ready: settled(now),
            first: true,
            revision: uuid::Uuid::new_v4().to_string(),
        };
        let mut function = Function {
            latest: Arc::new(version),
            before: None,
            published: BTreeMap::new(),
            last: 0,
            tags: asked.tags,
            reserved: None,
            event_config: None,
            policy: BTreeMap::new(),
        };
        let answered = if asked.publish { function.publish(None) } else { Arc::clone(&function.latest) };
        let mut state = self.lock();
        // Somebody may have been quicker while the code was unpacked.
        if state.functions.contains_key(&key) {
            return Err(exists());
        }
        state.functions.insert(key, function);
        Ok(answered.render(now))
    }

    /// Whether a caller may hand a role to Lambda, and Lambda may assume it.
    fn check_role(&self, request: &Request, role: &str, name: &str) -> Result<(), Failure> {
        rules::role_arn(role, self.account())?;
        let function = route::arn(&request.region, self.account(), name, None);
        if let Some(authority) = self.authority.get() {
            authority.check_need(request, &Need::pass_role(role, "lambda.amazonaws.com", Some(function.clone())))?;
        }
        match self.runner.around.assume(role, &function, request.now)? {
            Some(_) => Ok(()),
            None => Err(invalid("The role defined for the function cannot be assumed by Lambda.")),
        }
    }

    async fn unpack(&self, package: Vec<u8>) -> Result<Code, Failure> {
        let dir = self.runner.around.code_dir();
        let unpacked = tokio::task::spawn_blocking(move || code::unpack(&package, &dir)).await;
        unpacked.map_err(|error| Failure::new(500, "ServiceException", error.to_string()))?
    }

    pub(super) fn get(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.place(request)?;
        let state = self.lock();
        let function = state.function(&request.region, self.account(), &place)?;
        let version = self.version(function, request, &place)?;
        // The address of the package is left out: nothing is behind it here.
        let mut answer = json!({"Configuration": version.render(request.now), "Code": {"RepositoryType": "S3"}});
        if !function.tags.is_empty() {
            answer["Tags"] = json!(function.tags);
        }
        if let Some(reserved) = function.reserved {
            answer["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
        }
        Ok(answer)
    }

    pub(super) fn get_configuration(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.place(request)?;
        let state = self.lock();
        let function = state.function(&request.region, self.account(), &place)?;
        Ok(self.version(function, request, &place)?.render(request.now))
    }

    fn version<'a>(&self, function: &'a Function, request: &Request, place: &Place) -> Result<&'a Arc<Version>, Failure> {
        let found = function.version(place.qualifier.as_deref());
        found.ok_or_else(|| no_function(&request.region, self.account(), place))
    }

    pub(super) async fn update_code(&self, request: &Request) -> Result<Value, Failure> {
        let asked: UpdateCode = read(request)?;
        let place = self.whole(request)?;
        let architecture = rules::architecture(asked.architectures.as_deref())?;
        let look = || -> Result<Arc<Version>, Failure> {
            let state = self.lock();
            let function = state.function(&request.region, self.account(), &place)?;
            function.changeable(asked.revision_id.as_deref(), request.now)?;
            Ok(Arc::clone(&function.latest))
        };
        let before = look()?;
        if asked.dry_run {
            code::check(&asked.zip_file.0)?;
            return Ok(before.render(request.now));
        }
        let code = Arc::new(self.unpack(asked.zip_file.0).await?);
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        function.changeable(asked.revision_id.as_deref(), request.now)?;
        let mut settings = function.latest.settings.clone();
        settings.architecture = architecture.unwrap_or(settings.architecture);
        let version = function.latest.changed(settings, code, request.now);
        function.replace(version);
        let answered = if asked.publish { function.publish(None) } else { Arc::clone(&function.latest) };
        Ok(answered.render(request.now))
    }

    pub(super) fn update_configuration(&self, request: &Request) -> Result<Value, Failure> {
        let asked: UpdateConfiguration = read(request)?;
        let place = self.whole(request)?;
        if let Some(role) = &asked.role {
            self.check_role(request, role, &place.name)?;
        }
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        function.changeable(asked.revision_id.as_deref(), request.now)?;
        let settings: Settings = rules::changed(&function.latest.settings, asked)?;
        let version = function.latest.changed(settings, Arc::clone(&function.latest.code), request.now);
        function.replace(version);
        Ok(function.latest.render(request.now))
    }

    /// What runs goes on to its end; what waits in the queue finds no function.
    pub(super) fn delete(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.place(request)?;
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        match place.qualifier.as_deref() {
            None => {
                state.functions.remove(&(request.region.clone(), place.name));
            }
            Some(LATEST) => return Err(invalid("$LATEST version cannot be deleted without deleting the function.")),
            // A version that is not there is deleted already.
            Some(number) => {
                number.parse().ok().and_then(|number| function.published.remove(&number));
            }
        }
        let current = state.current(request.now);
        drop(state);
        self.runner.retire(request.now, &current);
        Ok(done())
    }

    pub(super) fn list(&self, request: &Request) -> Result<Value, Failure> {
        for (name, _) in &request.query {
            if !matches!(name.as_str(), "Marker" | "MaxItems" | "FunctionVersion") {
                return Err(Failure::gap(format!("query parameter {name} of lambda ListFunctions")));
            }
        }
        let all = match request.query("FunctionVersion") {
            None => false,
            Some("ALL") => true,
            Some(other) => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{other}' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
                )));
            }
        };
        let state = self.lock();
        let mut list = Vec::new();
        for ((_, name), function) in state.functions.iter().filter(|((region, _), _)| *region == request.region) {
            list.push((format!("{name} {:012}", 0), function.latest.render(request.now)));
            for (number, version) in function.published.iter().filter(|_| all) {
                list.push((format!("{name} {number:012}"), version.render(request.now)));
            }
        }
        paged(request, "Functions", &list)
    }

    pub(super) fn publish(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Publish = read(request)?;
        let place = self.whole(request)?;
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        function.changeable(asked.revision_id.as_deref(), request.now)?;
        let sha256 = &function.latest.code.sha256;
        if let Some(wrong) = asked.code_sha256.filter(|asked| asked != sha256) {
            return Err(invalid(format!(
                "CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({sha256}). Please try again with the CodeSHA256 in $LATEST."
            )));
        }
        Ok(function.publish(asked.description).render(request.now))
    }

    pub(super) fn list_versions(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let state = self.lock();
        let function = state.function(&request.region, self.account(), &place)?;
        let mut list = vec![(format!("{:012}", 0), function.latest.render(request.now))];
        list.extend(function.published.iter().map(|(number, version)| (format!("{number:012}"), version.render(request.now))));
        paged(request, "Versions", &list)
    }

    pub(super) fn list_tags(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let state = self.lock();
        Ok(json!({"Tags": state.function(&request.region, self.account(), &place)?.tags}))
    }

    pub(super) fn tag(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Tags = read(request)?;
        let place = self.whole(request)?;
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        let mut tags = function.tags.clone();
        tags.extend(asked.tags);
        rules::tags(&tags)?;
        function.tags = tags;
        Ok(done())
    }

    pub(super) fn untag(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        for (_, key) in request.query.iter().filter(|(name, _)| name == "tagKeys") {
            function.tags.remove(key);
        }
        Ok(done())
    }
}

fn paged(request: &Request, name: &str, list: &[(String, Value)]) -> Result<Value, Failure> {
    let most = request.query("MaxItems").map_or(Some(50), |text| text.parse::<usize>().ok()).filter(|most| (1..=10_000).contains(most));
    let most = most.ok_or_else(|| validation("MaxItems must be between 1 and 10000"))?;
    // However many are asked for, a page has at most 50.
    let (page, next) = page(list, |item| item.0.clone(), request.query("Marker"), most.min(50), || invalid("Invalid Marker"))?;
    let mut answer = json!({name: page.iter().map(|item| item.1.clone()).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextMarker"] = next.into();
    }
    Ok(answer)
}
