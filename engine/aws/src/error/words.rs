//! AWS's messages, read and tidied.

/// A message as part of a sentence: on one line, without its full stop and without the part that only AWS can read.
pub(super) fn one_sentence(text: &str) -> String {
    let readable = text.split(" Encoded authorization failure message:").next().unwrap_or(text);
    let line = readable.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').replace(". ", "; ")
}

/// The action in "… is not authorized to perform: ec2:RunInstances on resource …".
pub(super) fn denied_action(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?.trim_end_matches([',', ';', '.']);
    action.contains(':').then_some(action)
}

/// The ARN in "User: arn:… is not authorized to perform …".
pub(super) fn denied_principal(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("User: ")?;
    rest.split_whitespace().next().filter(|arn| arn.starts_with("arn:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_part_of_a_sentence() {
        for (text, expected) in [
            ("", ""),
            ("Access Denied.", "Access Denied"),
            ("You may not. Ask\n  somebody.", "You may not; Ask somebody"),
            ("You are not authorized. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMC", "You are not authorized"),
            ("limit 1.5 reached", "limit 1.5 reached"),
        ] {
            assert_eq!(one_sentence(text), expected);
        }
    }

    #[test]
    fn action_and_principal_are_taken_from_what_aws_says() {
        let text = "You are not authorized; User: arn:aws:iam::123456789012:user/ada is not authorized to perform: ec2:RunInstances on resource: \
                    arn:aws:ec2:us-east-1:123456789012:instance/* because no identity-based policy allows the ec2:RunInstances action";
        assert_eq!((denied_action(text), denied_principal(text)), (Some("ec2:RunInstances"), Some("arn:aws:iam::123456789012:user/ada")));
        assert_eq!((denied_action("Access Denied"), denied_principal("Access Denied")), (None, None));
    }
}
