//! `Milestone/deliver`: posts an event, as a step of Restate. Arguments: own address, address of the sink.

use restate_sdk::prelude::*;

struct Milestone {
    client: reqwest::Client,
    sink: String,
}

#[service]
impl Milestone {
    #[handler]
    async fn deliver(&self, context: Context<'_>, event: Json<serde_json::Value>) -> Result<(), HandlerError> {
        let body = event.into_inner().to_string();
        context
            .run(|| async move {
                self.client.post(&self.sink).body(body).send().await?.error_for_status()?;
                Ok(())
            })
            .name("post")
            .await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (own, sink) = (arguments.next().expect("own address"), arguments.next().expect("address of the sink"));
    let service = Milestone { client: reqwest::Client::new(), sink };
    HttpServer::new(Endpoint::builder().bind(service).build()).listen_and_serve(own.parse().expect("address")).await;
}
