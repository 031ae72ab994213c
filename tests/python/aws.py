"""S3 and Glue of AWS on loopback, by moto, with what moto leaves out: Glue refuses a swap that names an old version.

Says its address in a line and does what lines on standard input ask for: `conflict` lets somebody else be quicker at the
next swap, `lose` does the next swap and never answers; the answer to a line is how many swaps have been refused. Ends with
its standard input.
"""

import io
import json
import socket
import sys
import threading

import boto3
from moto.glue.models import glue_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

SWAP = "AWSGlue.UpdateTable"


class Glue:
    """Stands before moto."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.one_at_a_time = threading.Lock()
        self.asked = ""
        self.refused = 0

    def __call__(self, environ, start_response):
        if environ.get("HTTP_X_AMZ_TARGET") != SWAP:
            return self.moto(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        with self.one_at_a_time:
            asked, self.asked = self.asked, ""
            return self.swap(json.loads(body), asked, environ, start_response)

    def swap(self, request, asked, environ, start_response):
        table = glue_backends["123456789012"]["us-east-1"].get_table(request["DatabaseName"], request["TableInput"]["Name"])
        if asked == "conflict":
            table.update(table.get_version(str(table._current_version)))
        if request.get("VersionId") != str(table._current_version):
            self.refused += 1
            refusal = {"__type": "ConcurrentModificationException", "Message": "another version"}
            start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
            return [json.dumps(refusal).encode()]
        done = self.moto(environ, start_response)
        if asked == "lose":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return done


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_) -> None:
        pass


def main() -> None:
    glue = Glue()
    server = make_server("127.0.0.1", 0, glue, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=sys.argv[1])
    print(endpoint, flush=True)
    for line in sys.stdin:
        glue.asked = line.strip()
        print(glue.refused, flush=True)


main()
