//! The HTTP client: where it goes, what it sends along, and what it leaves to
//! nobody else.

use std::time::Duration;

use lyra_errors::{Error, Secret};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Url};

use super::failure::{invalid, require};

/// `{base}/embeddings`. What is wrong with a URL is told without it: it may
/// hold a password.
pub(super) fn endpoint(base: &str, has_tls: bool) -> Result<Url, Error> {
    let mut url = Url::parse(base).map_err(|error| invalid("base_url", &error.to_string()))?;
    let known = ["http", "https"].contains(&url.scheme());
    require(known, "base_url", "a URL that begins with http:// or https://")?;
    let needs = "http://, since https:// needs the feature `openai-tls` (`memstore-openai-tls`)";
    require(has_tls || url.scheme() == "http", "base_url", needs)?;
    let anonymous = url.username().is_empty() && url.password().is_none();
    require(
        anonymous,
        "base_url",
        "without a user and a password; give the key by `with_api_key`",
    )?;
    require(url.fragment().is_none(), "base_url", "without a fragment")?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("embeddings");
    }
    Ok(url)
}

pub(super) fn headers(key: Option<&Secret<String>>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let key = key.expose();
        let graphic = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        let needs = "ASCII without white space and control characters, also at its end";
        require(graphic, "api_key", needs)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| invalid("api_key", needs))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

pub(super) fn client(
    headers: HeaderMap,
    connect_timeout: Duration,
    uses_environment_proxy: bool,
    is_https: bool,
) -> Result<Client, String> {
    client_builder(headers, connect_timeout, uses_environment_proxy, is_https)?
        .build()
        .map_err(|error| format!("its HTTP client cannot be made: {error}"))
}

pub(super) fn client_builder(
    headers: HeaderMap,
    connect_timeout: Duration,
    uses_environment_proxy: bool,
    is_https: bool,
) -> Result<ClientBuilder, String> {
    let builder = Client::builder()
        .default_headers(headers)
        .connect_timeout(connect_timeout)
        // Elsewhere the key would go to whomever the endpoint names.
        .redirect(reqwest::redirect::Policy::none())
        // lyra-retry is the only one that retries.
        .retry(reqwest::retry::never())
        .referer(false);
    let builder = if uses_environment_proxy { builder } else { builder.no_proxy() };
    // The proxy may be reached by https where the endpoint is not.
    let verifies = is_https || uses_environment_proxy;
    #[cfg(feature = "openai-tls")]
    return Ok(builder.tls_backend_preconfigured(tls(verifies)?));
    #[cfg(not(feature = "openai-tls"))]
    {
        let _ = verifies;
        Ok(builder)
    }
}

/// With a provider of its own: the process-wide one is the program's to choose,
/// and reqwest panics where nobody did.
#[cfg(feature = "openai-tls")]
fn tls(verifies: bool) -> Result<rustls::ClientConfig, String> {
    use std::sync::Arc;

    use rustls_platform_verifier::BuilderVerifierExt;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let spelt = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(spelt)?;
    let builder = match verifies {
        true => builder.with_platform_verifier().map_err(spelt)?,
        // Nothing is ever verified, so the system's certificates stay unread.
        false => builder.with_root_certificates(rustls::RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_names_the_feature_that_it_needs() {
        let error = endpoint("https://localhost/v1", false).unwrap_err();
        assert!(error.to_string().contains("needs the feature `openai-tls`"), "{error}");
        assert!(endpoint("https://localhost/v1", true).is_ok());
    }

    #[test]
    fn the_path_and_the_query_of_the_base_are_kept() {
        for (base, whole) in [
            ("http://localhost", "http://localhost/embeddings"),
            ("http://localhost:1/v1/", "http://localhost:1/v1/embeddings"),
            ("http://localhost/a/b?v=1", "http://localhost/a/b/embeddings?v=1"),
        ] {
            assert_eq!(endpoint(base, false).unwrap().as_str(), whole);
        }
    }
}
