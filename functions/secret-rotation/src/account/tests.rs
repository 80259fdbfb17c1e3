use super::*;

fn read(text: &str) -> Document {
    Document::read(text).unwrap()
}

#[track_caller]
fn check(read: Result<Access, String>, expected: &str) {
    let got = read.map_or_else(
        |why| why,
        |access| {
            let Access { server, host, port, user, password } = access;
            let user = user.unwrap_or_default();
            format!("{server:?} {user}:{}@{host}:{port}", password.reveal())
        },
    );
    assert_eq!(got, expected);
}

#[test]
fn a_secret_says_where_and_as_whom() {
    let app = r#"{"host":"db","username":"app","password":"p","port":"5433","dbname":"shop"}"#;
    check(postgres(&read(app)), r#"Postgres { database: "shop" } app:p@db:5433"#);
    check(
        postgres(&read(r#"{"host":"db","username":"app","password":"p"}"#)),
        r#"Postgres { database: "postgres" } app:p@db:5432"#,
    );
    check(valkey_user(&read(r#"{"host":"kv","username":"app","password":"p"}"#)), "Valkey app:p@kv:6379");
    check(valkey_token(&read(r#"{"host":"kv","password":"p","port":6380}"#)), "Valkey :p@kv:6380");
    check(valkey_token(&read(r#"{"host":"kv","password":"p","auth_token":"t"}"#)), "Valkey :t@kv:6379");
}

#[test]
fn a_field_that_lacks_is_named() {
    check(postgres(&read("text")), "holds no JSON object");
    check(postgres(&read(r#"{"username":"app","password":"p"}"#)), "lacks the field host");
    check(postgres(&read(r#"{"host":"db","password":"p"}"#)), "lacks the field username");
    check(postgres(&read(r#"{"host":"db","username":"app","password":""}"#)), "lacks the field password");
    for port in ["0", "\"x\"", "70000", "null", "1.5"] {
        let text = format!(r#"{{"host":"db","username":"app","password":"p","port":{port}}}"#);
        check(postgres(&read(&text)), "holds a port that is none");
    }
    check(valkey_token(&read(r#"{"host":"kv","auth_token":null}"#)), "lacks the field auth_token");
}

#[test]
fn a_superuser_s_secret_may_hold_no_more_than_name_and_password() {
    let user =
        postgres(&read(r#"{"host":"db","username":"app","password":"p","port":5433,"dbname":"shop"}"#));
    let user = user.unwrap();
    check(
        superuser(&read(r#"{"username":"root","password":"r"}"#), &user),
        r#"Postgres { database: "shop" } root:r@db:5433"#,
    );
    check(
        superuser(&read(r#"{"username":"root","password":"r","host":"db","dbname":"postgres"}"#), &user),
        r#"Postgres { database: "postgres" } root:r@db:5433"#,
    );
    check(
        superuser(&read(r#"{"username":"root","password":"r","host":"other"}"#), &user),
        r#"is for the host "other", not for "db""#,
    );
}

#[track_caller]
fn check_id(text: &str, expected: Result<&str, &str>) {
    assert_eq!(user_id(&read(text)), expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
}

#[test]
fn an_elasticache_user_is_named_by_id_or_arn() {
    check_id(r#"{"user_id":"app-1"}"#, Ok("app-1"));
    check_id(r#"{"user_arn":"arn:aws:elasticache:eu-west-1:123456789012:user:app-1"}"#, Ok("app-1"));
    check_id(r#"{"user_arn":"app-1"}"#, Err("holds a user_arn that is no ARN of an ElastiCache user"));
    check_id("{}", Err("lacks the field user_id or user_arn"));
}

#[track_caller]
fn check_pair(user: &str, after: &str) {
    assert_eq!(Pair::of(user).unwrap().after(user), after);
}

#[test]
fn two_users_take_turns() {
    check_pair("app", "app_clone");
    check_pair("app_clone", "app");
    check_pair("_clone", "_clone_clone");
    check_pair(&"a".repeat(57), &format!("{}_clone", "a".repeat(57)));
    assert!(Pair::of(&"a".repeat(58)).unwrap_err().contains("longer than PostgreSQL's 63 bytes"));
}
