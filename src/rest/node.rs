//! One node of a service.

use std::sync::Arc;

use reqwest::Url;

/// One node of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Host and port, and the path if there is one: the value of the label `node`.
    pub name: Arc<str>,
    url: Url,
}

impl Node {
    /// The node at an address, which ends with a path or with none.
    pub fn new(url: &Url) -> Self {
        let (host, path) = (url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'));
        let port = url.port_or_known_default().unwrap_or_default();
        Self { name: format!("{host}:{port}{path}").into(), url: url.clone() }
    }

    /// The address of what these segments of a path and this query name at the node. Each segment, name and value is encoded.
    pub(super) fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_path_of_the_node_and_are_encoded() {
        let node = |url: &str| Node::new(&Url::parse(url).expect("a URL"));
        let [plain, long] = [node("http://a:8081"), node("https://b/api/v7/")];
        assert_eq!([&*plain.name, &*long.name], ["a:8081", "b:443/api/v7"]);
        assert_eq!(plain.address(&["subjects"], &[]).as_str(), "http://a:8081/subjects");
        assert_eq!(long.address(&["config", "a/b c?"], &[]).as_str(), "https://b/api/v7/config/a%2Fb%20c%3F");
        let asked = plain.address(&["connectors"], &[("expand", "status"), ("a&b", "=")]);
        assert_eq!(asked.as_str(), "http://a:8081/connectors?expand=status&a%26b=%3D");
    }
}
