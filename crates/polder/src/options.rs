//! From the configuration to what the hub is opened with.

use polder_hub::{HookOptions, HubOptions, Secret, Shared};
use polder_types::Clock;

use crate::config::{Config, PublicUrl};

/// What to open the hub with. `public_url` is the one to use when the configuration names none.
pub(crate) fn hub_options(config: &Config, public_url: Option<&PublicUrl>) -> HubOptions {
    let bound = config.url_at(config.listen);
    let public_url = config.public_url.as_ref().or(public_url).unwrap_or(&bound);
    HubOptions {
        data_dir: config.data.clone(),
        shared: Shared {
            database_url: config.database.as_ref().map(|url| Secret::new(url.reveal())),
            store_dir: config.store_dir.clone(),
        },
        public_url: public_url.to_string(),
        lfs_part_bytes: config.lfs_part_mib.saturating_mul(1 << 20),
        hooks: HookOptions {
            pre_receive: config.hooks.pre_receive.clone(),
            post_receive: config.hooks.post_receive.clone(),
            timeout_seconds: config.hooks.seconds_max,
            memory_bytes: config.hooks.memory_mib_max.saturating_mul(1 << 20),
            path: config.hooks.path.clone(),
        },
        limits: config.limits,
        namespace_bytes_max: config.namespace_bytes,
        audit_keep_days: config.audit.keep_days,
        push_options: config.push_options,
        egress_ca_file: config.egress_ca_file.clone(),
        webhook_hosts: config.webhook_hosts.clone(),
        hugging_face_endpoint: config.hugging_face_endpoint.clone(),
        scrub: config.scrub,
        federation: config.federation.clone(),
        clock: Clock::System,
    }
}
