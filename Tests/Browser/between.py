"""Trials of what the embedded model does not have: several models, LoRA files, other formats. A server in between adds
them to the capabilities and keeps what the page asks for."""

import http.server
import json
import threading
import urllib.error
import urllib.request

from trials import READY, VISIBLE, check, open_settings

REFUSAL = {"error": {"message": "loras[0]: 'ink' does not fit", "type": "invalid_request_error", "param": "loras",
                     "code": "invalid_value"}}


class Between:
    """Use it in a `with` statement. `asked` are the bodies of the jobs that were asked for; none is made."""

    def __init__(self, url, change):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                try:
                    with urllib.request.urlopen(url + self.path.lstrip("/"), timeout=60) as response:
                        status, kind, data = response.status, response.headers["Content-Type"], response.read()
                except urllib.error.HTTPError as error:
                    status, kind, data = error.code, error.headers["Content-Type"], error.read()
                if self.path == "/v1/capabilities":
                    data = json.dumps(change(json.loads(data))).encode()
                self._answer(status, kind, data)

            def do_POST(self):
                asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._answer(400, "application/json", json.dumps(REFUSAL).encode())

            def _answer(self, status, kind, data):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def with_another(capabilities):
    """The same model, and one of 24 frames a second that makes wide pictures, in two formats, with a LoRA file
    and a tiny decoder, which previews every step."""
    first = capabilities["models"][0]
    other = {**first, "id": "second-model", "card": None, "loras": ["ink"], "output_formats": ["png", "webp"], "fps": 24,
             "decoders": ["full", "tiny"], "partial_images": 1000,
             "sizes": {"multiple": 32, "default": "832x480", "maximum_pixels": 400_000},
             "frames": {**first["frames"], "default": 81, "maximum": 121}}
    return {**capabilities, "models": [first, other]}


def with_inputs(kinds, from_pictures, **inputs):
    """The same models, which take other pictures, and make these kinds from a prompt alone and from pictures."""
    other = {"inputs": inputs, "kinds": kinds, "kinds_from_pictures": from_pictures}
    return lambda capabilities: {**capabilities, "models": [{**model, **other} for model in capabilities["models"]]}


def several_models_and_what_they_have(page, url):
    with Between(url, with_another) as between:
        page.open(between.url)
        page.wait(READY)
        page.wait("document.querySelectorAll('.sample').length > 0")
        check(page.run("[...document.querySelector('#model').options].map(o => o.value)")[1:] == ["second-model"], "no picker")
        check(not page.run(VISIBLE % "#loras-field"), "LoRA files are offered for a model that has none")
        check(not page.run(VISIBLE % "#decoder-field"), "decoders are offered for a model that has one")
        page.execute("""const picker = document.querySelector('#model');
            picker.value = 'second-model';
            picker.dispatchEvent(new Event('change', {bubbles: true}));""")
        page.wait("document.querySelectorAll('.sample').length === 0")
        check(not page.run(VISIBLE % "#words-toggle"), "the other model's words stay")
        open_settings(page)
        page.execute("document.querySelector('#more').open = true")
        shapes = page.run("[...document.querySelectorAll('#shape label[title]')].map(label => label.title)")
        sides = [[int(side) for side in shape.split(" × ")] for shape in shapes]
        check("832 × 480" in shapes and all(w % 32 == h % 32 == 0 and w * h <= 400_000 for w, h in sides), f"shapes {shapes}")
        page.click("label[for=kind-video]")
        lengths = page.run("[...document.querySelectorAll('#length input')].map(input => Number(input.value))")
        check(all(n % 4 == 1 and n <= 121 for n in lengths) and 81 in lengths and 2 <= len(lengths) <= 6, f"frames {lengths}")
        page.click("label[for=kind-image]")
        page.fill("#prompt", "a fox")
        page.fill("#seed", "18014398509481985")
        page.click("label[for=format-webp]")
        page.click("label[for=decoder-tiny]")
        page.click("label[for=lora-0]")
        page.execute("""const range = document.querySelector('#lora-strength-0');
            range.value = 0.6;
            range.dispatchEvent(new Event('input', {bubbles: true}));""")
        page.click("#generate")
        page.wait(VISIBLE % "#loras-error")
        check("'ink' does not fit" in page.text("#loras-error"), page.text("#loras-error"))
        check('"seed":18014398509481985,' in between.asked[0], f"the seed is not a number: {between.asked[0]}")
        body = json.loads(between.asked[0])
        expected = {"model": "second-model", "size": "832x480", "loras": [{"name": "ink", "strength": 0.6}],
                    "output_format": "webp", "n": 1, "kind": "image", "decoder": "tiny", "partial_images": 1000}
        check({name: body.get(name) for name in expected} == expected, f"asked for {body}")
        check(page.run("document.querySelector('#runs').hidden"), "a refused request leaves an empty stage")
    page.console()                             # the refusal
