"""moto's S3 server with conditional writes that are atomic, as those of S3 are: moto compares first and writes later."""

import sys
import threading

from moto import server

run_simple = server.run_simple
lock = threading.Lock()


def run(host, port, app, **options):
    def one_by_one(environ, begin):
        if "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ:
            with lock:
                return list(app(environ, begin))
        return app(environ, begin)

    run_simple(host, port, one_by_one, **options)


server.run_simple = run
server.main(sys.argv[1:])
