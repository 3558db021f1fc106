//! Who comes in, and what they may do: programs with tokens, people with sessions, and everybody who should not.

use std::process::ExitCode;

use clap::Parser as _;
use jiff::SignedDuration;
use milestoned::cli::{Cli, FOUND};
use milestoned::store::sign_ins::{Account, OneTime};
use milestoned_identity::account;
use milestoned_identity::rights::{Right, Rights};
use milestoned_tests::{ADMIN, VIEWER, World};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

fn browser() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

async fn world() -> World {
    World::start("2026-03-02T09:00:00Z").await.unwrap()
}

fn rights(names: &[Right]) -> Rights {
    names.iter().copied().collect()
}

/// The audit trail's actions, the newest first.
async fn actions(world: &World) -> Vec<String> {
    world
        .app
        .env
        .store
        .audit(None, 20)
        .await
        .unwrap()
        .into_iter()
        .map(|line| format!("{} {}", line.actor, line.action))
        .collect()
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let world = world().await;
    let env = &world.app.env;
    let until = env.clock.now() + SignedDuration::from_mins(10);
    let link = OneTime::Link { person: "dana".into(), rights: rights(&[Right::View]) };
    env.store.keep_one_time(env.key.known_as("once"), link, until).await.unwrap();
    let open =
        async || browser().get(format!("{}/sign-in/link?code=once&next=/queue", world.url)).send().await.unwrap();
    let first = open().await;
    assert_eq!((first.status(), first.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/queue"));
    let cookie = first.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Lax") && !cookie.contains("once"), "{cookie}");
    assert_eq!(open().await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(actions(&world).await[0], "dana signed in");
}

#[tokio::test]
async fn a_local_account_needs_password_and_code_and_each_code_works_once() {
    let world = world().await;
    let (env, client) = (&world.app.env, browser());
    let factor = account::fresh_factor(&mut rand::rng());
    let sealed = env.key.seal("account:dana", &factor).unwrap();
    let invitation = OneTime::Invitation { person: "dana".into(), rights: rights(&[Right::View]), factor: sealed };
    let until = env.clock.now() + SignedDuration::from_mins(10);
    env.store.keep_one_time(env.key.known_as("welcome"), invitation, until).await.unwrap();
    let page = client.get(format!("{}/sign-in/invitation?code=welcome", world.url)).send().await.unwrap();
    assert!(page.text().await.unwrap().contains(&factor));
    let post = async |path: &str, form: &[(&str, &str)]| {
        let request = client.post(format!("{}{path}", world.url)).header("origin", world.origin()).form(form);
        request.send().await.unwrap().status()
    };
    let code = || account::code_at("dana", &factor, env.clock.now()).unwrap();
    let accept = async |password: &str, again: &str, code: &str| {
        post(
            "/sign-in/invitation",
            &[("code", "welcome"), ("password", password), ("again", again), ("factor_code", code)],
        )
        .await
    };
    let password = "four words of nothing";
    assert_eq!(accept("short", "short", &code()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(accept(password, "another of twelve", &code()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(accept(password, password, "000000").await, StatusCode::UNPROCESSABLE_ENTITY);
    let used = code();
    assert_eq!(accept(password, password, &used).await, StatusCode::SEE_OTHER);
    assert_eq!(accept(password, password, &used).await, StatusCode::UNAUTHORIZED, "an invitation is used once");
    let sign_in = async |password: &str, code: &str| {
        post("/sign-in", &[("person", "Dana"), ("password", password), ("code", code), ("next", "/")]).await
    };
    assert_eq!(sign_in(password, &used).await, StatusCode::UNAUTHORIZED, "the code was used");
    world.later(SignedDuration::from_secs(60));
    assert_eq!(sign_in("four words of nothing!", &code()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(password, &code()).await, StatusCode::SEE_OTHER);
    let stored = env.store.account("dana".into()).await.unwrap().unwrap();
    assert!(!stored.factor.contains(&factor), "the secret is hidden in the database");
}

/// An account of Dana's, as one that was invited has it: the secret of its second factor.
async fn account_of_dana(world: &World, password: &str) -> String {
    let (env, factor) = (&world.app.env, account::fresh_factor(&mut rand::rng()));
    let kept = Account {
        person: "dana".into(),
        password: account::hash("dana", password, &env.key.pepper()).unwrap(),
        factor: env.key.seal("account:dana", &factor).unwrap(),
        factor_step: 0,
        rights: rights(&[Right::View]),
        closed_at: None,
    };
    env.store.keep_account(kept, "ada".into(), env.clock.now()).await.unwrap();
    factor
}

/// Who has somebody's password guesses the code from a new address each time.
#[tokio::test]
async fn who_knows_a_password_guesses_its_code_from_no_number_of_addresses() {
    let world = world().await;
    let env = &world.app.env;
    let password = "four words of nothing";
    let factor = account_of_dana(&world, password).await;
    let sign_in = async |address: &str, code: &str| {
        let form = [("person", "dana"), ("password", password), ("code", code), ("next", "/")];
        let request = browser().post(format!("{}/sign-in", world.url)).header("origin", world.origin());
        request.header("x-forwarded-for", address).form(&form).send().await.unwrap().status()
    };
    let code = || account::code_at("dana", &factor, env.clock.now()).unwrap();
    for number in 0..6 {
        let wrong = if code() == "000000" { "000001" } else { "000000" };
        assert_eq!(sign_in(&format!("10.0.0.{number}"), wrong).await, StatusCode::UNAUTHORIZED);
    }
    assert!(actions(&world).await.contains(&"milestoned wrong tokens".to_owned()));
    assert_eq!(sign_in("10.0.0.99", &code()).await, StatusCode::UNAUTHORIZED, "nobody is heard for a moment");
    world.later(SignedDuration::from_secs(60));
    assert_eq!(sign_in("10.0.0.99", &code()).await, StatusCode::SEE_OTHER);
}

/// Twenty at once with one code.
#[tokio::test]
async fn of_those_who_come_with_one_code_at_once_one_comes_in() {
    let world = world().await;
    let env = &world.app.env;
    let password = "four words of nothing";
    let factor = account_of_dana(&world, password).await;
    let code = account::code_at("dana", &factor, env.clock.now()).unwrap();
    let all = (0..20).map(async |_| {
        let form = [("person", "dana"), ("password", password), ("code", &code), ("next", "/")];
        let request = browser().post(format!("{}/sign-in", world.url)).header("origin", world.origin());
        request.form(&form).send().await.unwrap().status()
    });
    let came_in = futures_util::future::join_all(all).await;
    assert_eq!(came_in.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{came_in:?}");
    assert_eq!(env.store.sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_end_by_themselves_and_by_signing_out() {
    let world = world().await;
    let all = rights(&Right::ALL);
    let status = async |cookie: &str| browser().get(&world.url).header("cookie", cookie).send().await.unwrap().status();
    let idle = world.sign_in("dana", all).await.unwrap();
    world.later(SignedDuration::from_mins(29));
    assert_eq!(status(&idle).await, StatusCode::OK);
    world.later(SignedDuration::from_mins(31));
    assert_eq!(status(&idle).await, StatusCode::SEE_OTHER);
    let busy = world.sign_in("dana", all).await.unwrap();
    for _ in 0..48 {
        assert_eq!(status(&busy).await, StatusCode::OK);
        world.later(SignedDuration::from_mins(15));
    }
    assert_eq!(status(&busy).await, StatusCode::SEE_OTHER, "twelve hours are over");
    let out = world.sign_in("dana", all).await.unwrap();
    let request =
        browser().post(format!("{}/sign-out", world.url)).header("cookie", &out).header("origin", world.origin());
    assert_eq!(request.send().await.unwrap().headers()["location"], "/sign-in");
    assert_eq!(status(&out).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_of_another_site_decides_nothing() {
    let world = world().await;
    let (cookie, ours) = (world.session(ADMIN).await.unwrap(), world.origin());
    let send = async |headers: &[(&str, &str)]| {
        let form = [("subject", "pause:customer:X"), ("act", "resume"), ("reason", "why")];
        let mut request = browser().post(format!("{}/act", world.url)).header("cookie", &cookie).form(&form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status()
    };
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &ours), ("sec-fetch-site", "cross-site")],
        &[("origin", &ours), ("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(send(headers).await, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_ne!(send(&[("origin", &ours), ("sec-fetch-site", "same-origin")]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_api_takes_no_cookie_and_the_pages_no_token() {
    let world = world().await;
    let cookie = world.session(ADMIN).await.unwrap();
    let api = browser().get(format!("{}/v1/contracts", world.url)).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(api.status(), StatusCode::UNAUTHORIZED);
    let page = browser().get(format!("{}/queue?x=1", world.url)).bearer_auth(ADMIN).send().await.unwrap();
    assert_eq!(page.headers()["location"], "/sign-in?next=%2Fqueue%3Fx%3D1");
}

#[tokio::test]
async fn who_ends_sessions_closes_accounts_and_forgets_names_has_a_token() {
    let world = world().await;
    let run = async |token: &str, words: &[&str]| {
        let words = ["milestoned"].iter().chain(words).copied().chain(["--url", &world.url, "--token", token]);
        milestoned::cli::dispatch(Cli::try_parse_from(words).unwrap()).await.unwrap()
    };
    let cookie = world.sign_in("dana", rights(&[Right::View])).await.unwrap();
    let session = world.app.env.store.sessions().await.unwrap().remove(0).id().to_owned();
    let redact = ["audit", "redact", "--before", "2026-03-01T00:00:00Z", "--reason", "her request"];
    for refused in [&["people", "sign-out", &session][..], &["people", "close", "dana"], &redact] {
        assert_ne!(run(VIEWER, refused).await, ExitCode::SUCCESS, "{refused:?}");
    }
    let lasts = async || browser().get(&world.url).header("cookie", &cookie).send().await.unwrap().status();
    assert_eq!(lasts().await, StatusCode::OK);
    assert_eq!(run(ADMIN, &["people", "sign-out", &session]).await, ExitCode::SUCCESS);
    assert_eq!(lasts().await, StatusCode::SEE_OTHER);
    assert_eq!(run(ADMIN, &["people", "sign-out", &session]).await, ExitCode::from(FOUND), "it has ended");
    assert_eq!(run(ADMIN, &["people", "close", "dana"]).await, ExitCode::from(FOUND), "she has no account");
    assert_eq!(run(ADMIN, &redact).await, ExitCode::SUCCESS);
    let told = actions(&world).await;
    assert!(told.contains(&"ada session ended".to_owned()) && told.last().unwrap().starts_with("ada "), "{told:?}");
    assert!(
        Cli::try_parse_from(["milestoned", "audit", "redact", "--before", "2026-03-01T00:00:00Z", "--by", "cfo"])
            .is_err()
    );
}

#[tokio::test]
async fn a_program_that_asks_for_a_page_with_its_token_is_told_where_tokens_are_taken() {
    let world = world().await;
    let answer = browser().get(format!("{}/", world.url)).bearer_auth(ADMIN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let told = answer.text().await.unwrap();
    assert!(told.contains("/v1/") && told.contains("milestoned people link"), "{told}");
}
