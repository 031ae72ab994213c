//! The in-process S3, asked by the same SDK that production uses.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use etrplus::config::S3Config;
use etrplus::embedded::Error;
use etrplus::embedded::s3::{Options, S3Server};
use secrecy::ExposeSecret as _;

use crate::support::objects;

fn client(config: &S3Config, secret: &str) -> Client {
    let credentials = Credentials::new(&config.access_key_id, secret, None, None, "tests");
    let settings = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(config.endpoint.as_deref().unwrap())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    Client::from_conf(settings)
}

async fn connected() -> (Client, String) {
    let config = objects::s3().await;
    (client(&config, config.secret_access_key.expose_secret()), config.bucket)
}

#[tokio::test]
async fn an_object_is_put_once_read_listed_and_deleted() {
    let (s3, bucket) = connected().await;
    let key = "bronze/018f/one-object.zst";
    let put = || s3.put_object().bucket(&bucket).key(key).if_none_match("*");
    put().body(ByteStream::from_static(b"exact bytes")).send().await.unwrap();
    let again = put().body(ByteStream::from_static(b"other bytes")).send().await.unwrap_err();
    let SdkError::ServiceError(refusal) = again else { panic!("{again}") };
    assert_eq!(refusal.raw().status().as_u16(), 412, "an object that is there was written again");

    let head = s3.head_object().bucket(&bucket).key(key).send().await.unwrap();
    assert_eq!(head.content_length(), Some(11));
    let object = s3.get_object().bucket(&bucket).key(key).send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes().as_ref(), b"exact bytes");

    let listed = s3.list_objects_v2().bucket(&bucket).prefix("bronze/018f/one").send().await.unwrap();
    assert_eq!(listed.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), [key]);
    s3.delete_object().bucket(&bucket).key(key).send().await.unwrap();
    assert!(s3.head_object().bucket(&bucket).key(key).send().await.is_err());
}

#[tokio::test]
async fn three_parts_become_one_object_of_the_same_bytes() {
    let (s3, bucket) = connected().await;
    let key = "bronze/018f/three-parts.ndjson";
    let upload = s3.create_multipart_upload().bucket(&bucket).key(key).send().await.unwrap();
    let upload_id = upload.upload_id().unwrap();
    let parts: Vec<Vec<u8>> = vec![vec![b'a'; 5 << 20], vec![b'b'; 5 << 20], b"the rest".to_vec()];
    let mut completed = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(&parts) {
        let sent = s3.upload_part().bucket(&bucket).key(key).upload_id(upload_id).part_number(number);
        let sent = sent.body(part.clone().into()).send().await.unwrap();
        completed = completed
            .parts(CompletedPart::builder().part_number(number).e_tag(sent.e_tag().unwrap()).build());
    }
    let complete = s3.complete_multipart_upload().bucket(&bucket).key(key).upload_id(upload_id);
    complete.multipart_upload(completed.build()).send().await.unwrap();

    let object = s3.get_object().bucket(&bucket).key(key).send().await.unwrap();
    assert!(object.body.collect().await.unwrap().into_bytes() == parts.concat(), "the bytes differ");
    let range = s3.get_object().bucket(&bucket).key(key).range("bytes=10485760-").send().await.unwrap();
    assert_eq!(range.body.collect().await.unwrap().into_bytes().as_ref(), b"the rest");
}

#[tokio::test]
async fn a_wrong_secret_reads_nothing() {
    let config = objects::s3().await;
    let stranger = client(&config, "a-guess");
    assert!(stranger.list_objects_v2().bucket(&config.bucket).send().await.is_err());
}

#[tokio::test]
async fn a_stopped_server_gives_its_port_back_and_keeps_its_objects() {
    let root = tempfile::tempdir().unwrap();
    let options = |port| Options {
        root: root.path().to_path_buf(),
        bucket: "kept".into(),
        port,
        access_key_id: "id".into(),
        secret_access_key: "secret".to_owned().into(),
    };
    let first = S3Server::start(options(0)).await.unwrap();
    let config = S3Config {
        bucket: "kept".into(),
        region: first.region.into(),
        endpoint: Some(first.endpoint.clone()),
        access_key_id: "id".into(),
        secret_access_key: "secret".to_owned().into(),
    };
    let put =
        client(&config, "secret").put_object().bucket("kept").key("a").body(ByteStream::from_static(b"1"));
    put.send().await.unwrap();
    let port = first.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let error = S3Server::start(options(port)).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse { .. }), "{error}");
    first.stop().await;

    let _second = S3Server::start(options(port)).await.unwrap();
    client(&config, "secret").head_object().bucket("kept").key("a").send().await.unwrap();
}
