//! Addresses of the daemon's pages, for links in mails, project tools and ERPs, and in the pages themselves. An id may hold
//! any character: each is encoded, so that it names one segment of a path and nothing else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a segment, besides letters and digits: the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as one segment of a path, one value of a query, or a fragment: `2026/041` as `2026%2F041`.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The page of a contract; `base` is the daemon's address without a slash at its end, or empty for a path.
pub fn contract(base: &str, id: &str) -> String {
    format!("{base}/contracts/{}", segment(id))
}

/// The place of a milestone on its contract's page.
pub fn milestone(base: &str, contract_id: &str, id: &str) -> String {
    format!("{}#{}", contract(base, contract_id), segment(id))
}

#[cfg(test)]
mod tests {
    use super::{contract, milestone};

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        for (id, path) in [
            ("SOW-2041", "/contracts/SOW-2041"),
            ("2026/041", "/contracts/2026%2F041"),
            ("VICTIM/review?", "/contracts/VICTIM%2Freview%3F"),
            ("C1#x\r\ny", "/contracts/C1%23x%0D%0Ay"),
            ("Ä 1%", "/contracts/%C3%84%201%25"),
        ] {
            assert_eq!(contract("", id), path);
        }
        assert_eq!(milestone("https://m.example", "A/B", "M 1"), "https://m.example/contracts/A%2FB#M%201");
    }
}
