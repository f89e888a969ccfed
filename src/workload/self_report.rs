//! A built-in workload's own report: one line `elapsed_ns=N work=W unit=NAME` on standard error.

use crate::runtime::trial::SelfReport;

/// Finds the last such line in what a workload wrote on standard error. Other lines, and other fields
/// in the line, are passed over; a line without one of the three fields is none.
pub fn parse(stderr: &[u8]) -> Option<SelfReport> {
    stderr.rsplit(|byte| *byte == b'\n').find_map(|line| parse_line(std::str::from_utf8(line).ok()?))
}

fn parse_line(line: &str) -> Option<SelfReport> {
    let field = |name: &str| {
        line.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let unit = field("unit").filter(|unit| !unit.is_empty())?;
    Some(SelfReport {
        elapsed_ns: field("elapsed_ns")?.parse().ok()?,
        work: field("work")?.parse().ok()?,
        unit: unit.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_output_around_the_line_is_passed_over() {
        let report = parse(b"warning: x\nelapsed_ns=12 work=3 extra=1 unit=call\nguest: bye\n\xff\n");
        assert_eq!(report, Some(SelfReport { elapsed_ns: 12, work: 3, unit: "call".to_owned() }));
    }

    #[test]
    fn an_incomplete_line_is_no_report() {
        for text in
            ["", "elapsed_ns=12 work=3", "elapsed_ns=-1 work=3 unit=x", "elapsed_ns=1 work=1 unit=", "unit=x"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_report_is_read_back(elapsed_ns: u64, work: u64, unit in "[a-z_]{1,12}") {
            let line = format!("elapsed_ns={elapsed_ns} work={work} unit={unit}\n");
            prop_assert_eq!(parse(line.as_bytes()), Some(SelfReport { elapsed_ns, work, unit }));
        }

        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            parse(&bytes);
        }
    }
}
