//! The routes over a real database, as programs use them.

mod definitions;
mod queue;

use super::{Manager, Matched, routes};
use ::postgres::Pool;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use futures_util::FutureExt;
use serde_json::{Value, json};
use service::Service;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;
use webhook::{Allowed, Keys};

const KEY: &str = "the management key of tests";

pub(super) struct Api {
    routes: Router,
    pub(super) pool: Pool,
    _database: testutil::Database,
}

impl Api {
    /// Rules come into force as soon as they are stored, as if an evaluator ran.
    pub(super) async fn start() -> Self {
        let api = Self::without_evaluator().await;
        api.execute(
            "CREATE FUNCTION at_once() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN NEW.in_force := NEW.rule; RETURN NEW; END$$;
             CREATE TRIGGER zz_at_once BEFORE INSERT OR UPDATE ON subscription
                 FOR EACH ROW EXECUTE FUNCTION at_once();",
        )
        .await;
        api
    }

    /// Nothing comes into force.
    pub(super) async fn without_evaluator() -> Self {
        let (database, pool) = crate::tests::database().await;
        let routes = finished(managed(&pool));
        Self {
            routes,
            pool,
            _database: database,
        }
    }

    pub(super) async fn execute(&self, statements: &str) {
        self.pool.get().await.unwrap().batch_execute(statements).await.unwrap();
    }

    pub(super) async fn count(&self, of: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        let row = client
            .query_one(&format!("SELECT count(*) FROM {of}"), &[])
            .await
            .unwrap();
        row.get(0)
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let response = send(&self.routes, method, path, body, Some(KEY)).await;
        (response.status(), json_of(response).await)
    }

    /// The JSON of an answer with this status.
    pub(super) async fn ok(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let (found, answer) = self.ask(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        answer
    }

    pub(super) async fn hot(&self) -> Value {
        let hot = json!({"name": "hot", "device": "lada", "filter": "engine_temperature > 105", "for": "30s",
            "targetUrl": "https://hooks.example.com/x"});
        self.ok(201, "POST", "/api/subscriptions", hot).await
    }
}

fn managed(pool: &Pool) -> Manager {
    let signing = Keys::new("a signing key of 32 bytes or more".to_owned().into(), None).unwrap();
    let test = |it: crate::Subscription, from, to| {
        let events = vec![json!({"filter": it.filter, "from": from, "to": to})];
        async { Ok(Matched { matched: 1, events }) }.boxed()
    };
    let mut manager = Manager::new(pool.clone(), &Service::new("test", Duration::from_secs(25)))
        .key(&KEY.to_owned().into())
        .signing(Arc::new(signing))
        .allowed(Allowed::parse(["10.1.0.0/16"]).unwrap())
        .test(test);
    manager.patience = Duration::from_millis(200);
    manager
}

/// The routes with the layers that programs add.
fn finished(manager: Manager) -> Router {
    web::finish(routes(manager))
}

async fn send(routes: &Router, method: &str, path: &str, body: String, key: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.body(Body::from(body)).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    let body = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    }
}

/// An instance without a database: no test needs one here.
fn nowhere() -> Pool {
    ::postgres::open("postgres://nobody@127.0.0.1:1/nothing", 1, Duration::from_secs(1)).unwrap()
}

#[tokio::test]
async fn only_the_key_opens() {
    let service = Service::new("test", Duration::from_secs(25));
    let keyless = finished(Manager::new(nowhere(), &service));
    let keyed = finished(managed(&nowhere()));
    for path in [
        "/api/subscriptions",
        "/api/subscriptions/hot/secret",
        "/api/areas",
        "/api/areas/home",
    ] {
        let response = send(&keyless, "GET", path, String::new(), Some(KEY)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(
            json_of(response).await["detail"]
                .as_str()
                .unwrap()
                .contains("--management-key")
        );
        for wrong in [
            None,
            Some(""),
            Some("wrong"),
            Some("the management key of test"),
            Some(&*"x".repeat(5000)),
        ] {
            let response = send(&keyed, "GET", path, String::new(), wrong).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {wrong:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
        let response = send(&keyed, "GET", path, String::new(), Some(KEY)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn without_an_evaluator_or_keys_it_says_so() {
    let service = Service::new("test", Duration::from_secs(25));
    let routes = finished(Manager::new(nowhere(), &service).key(&KEY.to_owned().into()));
    for (method, path, body, word) in [
        (
            "POST",
            "/api/subscriptions/test",
            r#"{"from":"2026-01-01T00:00:00Z","filter":"speed > 1"}"#,
            "test",
        ),
        ("GET", "/api/subscriptions/hot/secret", "", "--signing-key"),
        ("POST", "/api/subscriptions/hot/rotate", "", "--signing-key"),
    ] {
        let response = send(&routes, method, path, body.to_owned(), Some(KEY)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let answer = json_of(response).await;
        assert!(answer["detail"].as_str().unwrap().contains(word), "{path}: {answer}");
    }
}
