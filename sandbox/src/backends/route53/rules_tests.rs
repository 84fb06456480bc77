//! What a batch makes of a zone, as tables.

use super::batch::{Action, Change};
use super::names::Name;
use super::rules::{ZONE_MAX, apply};
use super::state::{RecordSet, Zone};

/// Changes as lines such as `CREATE www.example.com A 60 192.0.2.1 192.0.2.2`.
fn changes(lines: &[&str]) -> Vec<Change> {
    let change = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let action = match words[0] {
            "CREATE" => Action::Create,
            "DELETE" => Action::Delete,
            _ => Action::Upsert,
        };
        let values = words[4..].iter().map(|value| (*value).to_owned()).collect();
        Change { action, name: words[1].to_owned(), kind: words[2].to_owned(), ttl: words[3].parse().unwrap(), values }
    };
    lines.iter().map(change).collect()
}

/// A zone that has an address and an alias, and lets everybody serve what is under `sub`.
fn zone() -> Zone {
    let mut zone = Zone::new(Name::parse("example.com").unwrap(), "r".to_owned(), None, None);
    let made = changes(&[
        "CREATE www.example.com A 60 192.0.2.1 192.0.2.2",
        "CREATE alias.example.com CNAME 60 www.example.com",
        "CREATE sub.example.com NS 60 ns.example.net",
    ]);
    zone.records = apply(&zone, &made).unwrap();
    zone
}

fn problems(lines: &[&str]) -> Vec<String> {
    apply(&zone(), &changes(lines)).err().unwrap_or_default()
}

#[test]
fn what_fits_is_done() {
    for (lines, left) in [
        (&["CREATE new.example.com A 60 192.0.2.9"][..], 6),
        (&["DELETE www.example.com A 60 192.0.2.2 192.0.2.1"], 4),
        (&["DELETE WWW.Example.com. A 60 192.0.2.1 192.0.2.2"], 4),
        (&["UPSERT www.example.com A 300 192.0.2.9", "UPSERT new.example.com A 60 192.0.2.9"], 6),
        (&["DELETE www.example.com A 60 192.0.2.1 192.0.2.2", "CREATE www.example.com A 60 192.0.2.9"], 5),
        (&["CREATE www.example.com TXT 60 \"a\"", "CREATE www.example.com AAAA 60 2001:db8::1"], 7),
        // A name may turn from an alias into an address, one after the other.
        (&["DELETE alias.example.com CNAME 60 www.example.com", "CREATE alias.example.com A 60 192.0.2.9"], 5),
        (&["DELETE www.example.com A 60 192.0.2.1 192.0.2.2", "UPSERT www.example.com CNAME 60 a.example.net"], 5),
        (&["UPSERT alias.example.com CNAME 60 other.example.com"], 5),
        (&["CREATE *.example.com A 0 192.0.2.9", "CREATE a.b.c.example.com A 60 192.0.2.9"], 7),
        (&["UPSERT example.com NS 60 ns.example.net", "CREATE example.com A 60 192.0.2.9"], 6),
    ] {
        assert_eq!(apply(&zone(), &changes(lines)).map(|records| records.len()), Ok(left), "{lines:?}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let set = "resource record set [name='www.example.com.', type='A']";
    let mismatch = format!("Tried to delete {set} but the values provided do not match the current values");
    let name = "www.example.com. is not permitted";
    for (line, expected) in [
        ("CREATE www.example.com A 60 192.0.2.9", format!("Tried to create {set} but it already exists")),
        ("DELETE www.example.com A 60 192.0.2.1", mismatch.clone()),
        ("DELETE www.example.com A 61 192.0.2.1 192.0.2.2", mismatch.clone()),
        ("DELETE www.example.com A 60 192.0.2.1 192.0.2.3", mismatch),
        ("DELETE www.example.com TXT 60 \"a\"", format!("Tried to delete {} but it was not found", set.replace("'A'", "'TXT'"))),
        ("CREATE www.example.net A 60 192.0.2.9", "RRSet with DNS name www.example.net. is not permitted in zone example.com.".to_owned()),
        (
            "UPSERT www.example.com CNAME 60 a.example.net",
            format!(
                "RRSet of type CNAME with DNS name {name} as it conflicts with other records with the same DNS name in zone example.com."
            ),
        ),
        (
            "UPSERT alias.example.com A 60 192.0.2.9",
            "RRSet of type A with DNS name alias.example.com. is not permitted because a conflicting RRSet of type CNAME with the same \
             DNS name already exists in zone example.com."
                .to_owned(),
        ),
        (
            "UPSERT example.com CNAME 60 a.example.net",
            "RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.".to_owned(),
        ),
        (
            "UPSERT www.example.com A 60 192.0.2",
            "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with \
             '192.0.2''"
                .to_owned(),
        ),
        ("UPSERT www.example.com A 60 192.0.2.9 192.0.2.9", "Duplicate Resource Record: '192.0.2.9'".to_owned()),
        (
            "UPSERT a..example.com A 60 192.0.2.9",
            "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..example.com'".to_owned(),
        ),
    ] {
        assert_eq!(problems(&[line]), [expected], "{line}");
    }
    let zone = zone();
    let servers = zone.records[&("com.example.".to_owned(), "NS".to_owned())].values.join(" ");
    let left_alone = apply(&zone, &changes(&[&format!("DELETE example.com NS 172800 {servers}")]));
    assert_eq!(left_alone, Err(vec!["A HostedZone must contain at least one NS record for the zone itself.".to_owned()]));
}

#[test]
fn a_record_set_is_changed_once_or_replaced() {
    let invalid = "The request contains an invalid set of changes for a resource record set 'A new.example.com.'";
    let (create, upsert, delete) =
        ("CREATE new.example.com A 60 192.0.2.9", "UPSERT new.example.com A 60 192.0.2.9", "DELETE new.example.com A 60 192.0.2.9");
    for lines in
        [&[create, create][..], &[upsert, upsert], &[create, delete], &[upsert, delete], &[create, upsert], &[create, create, create]]
    {
        assert_eq!(problems(lines), [invalid], "{lines:?}");
    }
}

#[test]
fn all_failures_are_told_and_nothing_is_done() {
    let told = problems(&[
        "CREATE one.example.com A 60 192.0.2.9",
        "CREATE www.example.com A 60 192.0.2.9",
        "CREATE two.example.com A 60 x",
        "DELETE three.example.com A 60 192.0.2.9",
    ]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("already exists") && told[1].starts_with("Invalid") && told[2].ends_with("not found"), "{told:?}");
}

#[test]
fn requests_and_zones_have_limits() {
    let addresses = |count: usize| (0..count).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect::<Vec<_>>().join(" ");
    let texts = |count: usize| (0..count).map(|n| format!("\"{n:0>198}\"")).collect::<Vec<_>>().join(" ");
    let line = |action: &str, kind: &str, n: usize, values: String| format!("{action} n{n}.example.com {kind} 60 {values}");
    let (values, characters) = ("Number of records limit of 1000 exceeded.", "RDATA character limit of 32000 exceeded.");
    for (lines, expected) in [
        ([line("CREATE", "A", 1, addresses(400)), line("CREATE", "A", 2, addresses(400)), line("CREATE", "A", 3, addresses(200))], None),
        (
            [line("CREATE", "A", 1, addresses(400)), line("CREATE", "A", 2, addresses(400)), line("CREATE", "A", 3, addresses(201))],
            Some(values),
        ),
        ([line("UPSERT", "A", 1, addresses(200)), line("UPSERT", "A", 2, addresses(200)), line("UPSERT", "A", 3, addresses(100))], None),
        (
            [line("UPSERT", "A", 1, addresses(200)), line("UPSERT", "A", 2, addresses(200)), line("UPSERT", "A", 3, addresses(101))],
            Some(values),
        ),
        (
            [line("CREATE", "A", 1, addresses(1)), line("CREATE", "A", 2, addresses(1)), line("CREATE", "A", 3, addresses(401))],
            Some("Cannot have more than 400 records in a RRSet."),
        ),
        // 160 texts of 200 characters are 32,000.
        ([line("CREATE", "TXT", 1, texts(80)), line("CREATE", "TXT", 2, texts(79)), line("CREATE", "TXT", 3, texts(1))], None),
        ([line("CREATE", "TXT", 1, texts(80)), line("CREATE", "TXT", 2, texts(79)), line("CREATE", "TXT", 3, texts(2))], Some(characters)),
        ([line("UPSERT", "TXT", 1, texts(40)), line("CREATE", "TXT", 2, texts(79)), line("CREATE", "TXT", 3, texts(2))], Some(characters)),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(problems(&lines), expected.into_iter().collect::<Vec<_>>(), "{:.200}", lines.join("; "));
    }
    let mut full = zone();
    for n in full.records.len()..ZONE_MAX {
        let set = RecordSet { name: Name::parse(&format!("x{n}.example.com")).unwrap(), kind: "A".to_owned(), ttl: 60, values: vec![] };
        full.records.insert(set.key(), set);
    }
    let one_more = apply(&full, &changes(&["CREATE new.example.com A 60 192.0.2.9"]));
    assert_eq!(one_more, Err(vec![format!("Exceeded limit MAX_RRSETS_BY_ZONE for zone: {}", full.id)]));
    assert!(apply(&full, &changes(&["UPSERT www.example.com A 60 192.0.2.9"])).is_ok());
}
