//! Iceberg's catalog behind a service that speaks the REST protocol.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use iceberg::{Catalog, CatalogBuilder as _};
use iceberg_catalog_rest::{
    REST_CATALOG_PROP_URI, REST_CATALOG_PROP_WAREHOUSE, RestCatalog, RestCatalogBuilder,
};
use iceberg_storage_opendal::OpenDalStorageFactory;
use secrecy::ExposeSecret as _;

use super::trouble;
use crate::config::LakeConfig;
use crate::error::Result;

/// How long a token is used: services give tokens for five minutes and more, and the client never renews one by itself.
const TOKEN_AGE: Duration = Duration::from_secs(120);

/// Opens the catalog with the settings of the store. The service is first asked when a table is.
pub(super) async fn open(config: &LakeConfig, storage: HashMap<String, String>) -> Result<Arc<dyn Catalog>> {
    let factory = OpenDalStorageFactory::S3 { customized_credential_load: None };
    let catalog = RestCatalogBuilder::default()
        .with_storage_factory(Arc::new(factory))
        .load(config.name.clone(), properties(config, storage))
        .await
        .map_err(|error| trouble("open the REST catalog", &error))?;
    let catalog = Arc::new(catalog);
    if config.catalog_credential.is_some() {
        tokio::spawn(renew_tokens(Arc::downgrade(&catalog)));
    }
    Ok(catalog)
}

fn properties(config: &LakeConfig, storage: HashMap<String, String>) -> HashMap<String, String> {
    let mut properties = storage;
    properties.insert(REST_CATALOG_PROP_WAREHOUSE.to_owned(), config.warehouse.clone());
    if let Some(uri) = &config.catalog_uri {
        properties.insert(REST_CATALOG_PROP_URI.to_owned(), uri.trim_end_matches('/').to_owned());
    }
    if let Some(credential) = &config.catalog_credential {
        properties.insert("credential".to_owned(), credential.expose_secret().to_owned());
    }
    properties
}

/// Renews the token for as long as the catalog is in use. One that cannot be renewed is used on: its refusal is what the
/// next append tells.
async fn renew_tokens(catalog: Weak<RestCatalog>) {
    loop {
        tokio::time::sleep(TOKEN_AGE).await;
        let Some(catalog) = catalog.upgrade() else { return };
        if let Err(error) = catalog.regenerate_token().await {
            tracing::warn!(kind = %error.kind(), "the token of the REST catalog could not be renewed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LakeCatalog;

    #[test]
    fn the_service_is_told_what_is_set_and_the_store_stays_as_it_is() {
        let config = LakeConfig {
            catalog: LakeCatalog::Rest,
            catalog_uri: Some("https://catalog.example/api/".into()),
            catalog_credential: Some("etrplus:sesame".to_owned().into()),
            name: "etrplus".into(),
            warehouse: "bureau".into(),
            kms_key_id: None,
            buckets: 4,
            commit_wait: Duration::ZERO,
        };
        let store = HashMap::from([("s3.region".to_owned(), "ap-southeast-5".to_owned())]);
        let told = properties(&config, store.clone());
        let told: std::collections::BTreeMap<&str, &str> =
            told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("credential", "etrplus:sesame"),
            ("s3.region", "ap-southeast-5"),
            // Addresses are put together with a slash.
            ("uri", "https://catalog.example/api"),
            ("warehouse", "bureau"),
        ];
        assert_eq!(told, expected.into());
        let open = LakeConfig { catalog_credential: None, ..config };
        assert!(!properties(&open, store).contains_key("credential"));
    }
}
