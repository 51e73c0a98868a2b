//! Flags of the forerunner of this program, so that its users need not rename them.

use service::Serving;

/// Flags of the forerunner.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Forerunner {
    /// Whether clients speak TLS
    #[arg(long = "use_tls", hide = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    use_tls: Option<bool>,

    /// trace, debug, info, warn or error
    #[arg(long = "log_level", hide = true)]
    log_level: Option<String>,

    /// The database's host, and its port behind a colon
    #[arg(long = "cockroach.host", hide = true)]
    cockroach_host: Option<String>,

    /// The database's name
    #[arg(long = "cockroach.database", hide = true)]
    cockroach_database: Option<String>,

    /// The database's user
    #[arg(long = "cockroach.user", hide = true)]
    cockroach_user: Option<String>,

    /// Whether to migrate the schema
    #[arg(long = "cockroach.should_migrate", hide = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    should_migrate: Option<bool>,

    /// A file of these flags
    #[arg(long = "config_file", env = "CONFIG_FILE", hide = true)]
    config_file: Option<std::path::PathBuf>,

    /// Names in the file that do nothing here.
    #[arg(skip)]
    pub(crate) unused: Vec<String>,
}

/// Adds the forerunner's names of flags that are called otherwise here.
pub(crate) fn aliases(command: clap::Command) -> clap::Command {
    command
        .mut_arg("tls_cert", |arg| arg.alias("tls.crt"))
        .mut_arg("tls_key", |arg| arg.alias("tls.key"))
}

impl Forerunner {
    /// Warns of what does nothing.
    pub(crate) fn warn(&self) {
        for name in &self.unused {
            tracing::warn!(name, "this name in the config file does nothing here; leave it out");
        }
    }

    /// Whether the flags fit together. As in the forerunner, a certificate is of no use where `use_tls` is false.
    pub(crate) fn check(&self, serving: &mut Serving) -> anyhow::Result<()> {
        match self.use_tls {
            Some(true) if !serving.is_tls() => anyhow::bail!("--use_tls needs --tls-cert and --tls-key"),
            Some(false) if serving.is_tls() => {
                tracing::warn!(
                    "use_tls is false, so clients speak plain HTTP, though there is a certificate; leave use_tls out for TLS"
                );
                (serving.tls_cert, serving.tls_key) = (None, None);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    pub(crate) fn may_migrate(&self) -> bool {
        self.should_migrate.unwrap_or(true)
    }

    /// The database: `url`, or what the forerunner's flags say.
    pub(crate) fn database(&self, url: Option<&str>) -> anyhow::Result<String> {
        if let Some(url) = url {
            return Ok(url.to_owned());
        }
        let Some(host) = &self.cockroach_host else {
            anyhow::bail!("no database is given; write --database-url postgres://USER:PASSWORD@HOST/DATABASE");
        };
        // A socket's folder, or a name and perhaps a port.
        let host = if host.starts_with('/') {
            percent::encode(host.as_bytes())
        } else {
            host.clone()
        };
        let part = |part: &Option<String>| percent::encode(part.as_deref().unwrap_or_default().as_bytes());
        let user = self
            .cockroach_user
            .as_ref()
            .map(|_| format!("{}@", part(&self.cockroach_user)));
        Ok(format!(
            "postgres://{}{host}/{}",
            user.unwrap_or_default(),
            part(&self.cockroach_database)
        ))
    }

    /// What is logged, as `RUST_LOG` has it.
    pub(crate) fn log_level(&self) -> Option<&'static str> {
        Some(match self.log_level.as_deref()?.to_ascii_lowercase().as_str() {
            "trace" => "trace",
            "debug" => "debug",
            "warn" | "warning" => "warn",
            "error" | "fatal" | "panic" => "error",
            _ => "info",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Forerunner {
        Forerunner {
            use_tls: None,
            log_level: None,
            cockroach_host: None,
            cockroach_database: None,
            cockroach_user: None,
            should_migrate: None,
            config_file: None,
            unused: Vec::new(),
        }
    }

    #[test]
    fn a_database_has_parts() {
        let mut given = given();
        assert!(given.database(None).is_err());
        assert_eq!(given.database(Some("postgres://x/y")).unwrap(), "postgres://x/y");
        given.cockroach_host = Some("localhost".to_owned());
        assert_eq!(given.database(None).unwrap(), "postgres://localhost/");
        given.cockroach_host = Some("/run/postgres".to_owned());
        assert_eq!(given.database(None).unwrap(), "postgres://%2Frun%2Fpostgres/");
        given.cockroach_host = Some("db:26257".to_owned());
        given.cockroach_database = Some("live_database".to_owned());
        given.cockroach_user = Some("ro@t".to_owned());
        assert_eq!(
            given.database(None).unwrap(),
            "postgres://ro%40t@db:26257/live_database"
        );
    }

    #[test]
    fn log_levels_are_names() {
        let of = |level: &str| Forerunner {
            log_level: Some(level.to_owned()),
            ..given()
        };
        let names = ["DEBUG", "warning", "fatal", "other"].map(|level| of(level).log_level());
        assert_eq!(names, ["debug", "warn", "error", "info"].map(Some));
        assert_eq!(given().log_level(), None);
    }
}
