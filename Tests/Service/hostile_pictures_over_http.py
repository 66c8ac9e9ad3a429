"""Sends files that nobody should take for a picture to every route that takes pictures.

    python3 Tests/Service/hostile_pictures_over_http.py [--phasor .build/release/phasor] [--model Models/emoji-scenes]

The files are those of Tests/MediaTests/hostile_pictures.py. Each must get a 400 that names the field it was sent in and
says what is wrong with it; the few that hold a picture all the same must be taken. After each file the server must answer
/healthz, at the end it must be the same process, no larger than --most bytes at any time, and make a picture. Prints a table
for docs/threat-model.md. Standard library only.
"""
import argparse, base64, collections, http.client, json, pathlib, re, signal, subprocess, sys, tempfile, time

from kill import Server

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPT = "a large dog on the beach"
KINDS = [("empty", "nothing at all"), ("unknownFormat", "no picture"),
         ("unsupportedFormat", "another format, named in the answer"), ("truncated", "cut off"),
         ("unreadable", "damaged, or contradicts itself"), ("tooManyPixels", "unfolds to more than 64 Mpixel"),
         ("sideTooLong", "a side of more than 65,536 pixels"), ("animated", "animated"), ("none", "odd, but a picture")]


def form(field, name, content):
    boundary = "a-boundary-that-no-file-has"
    head = f'Content-Disposition: form-data; name="{field}"'
    parts = [f'{head}; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'.encode() + content,
             f'Content-Disposition: form-data; name="prompt"\r\n\r\n{PROMPT}'.encode()]
    body = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def jsonBody(fields):
    return json.dumps({"prompt": PROMPT, "seed": 1} | fields).encode(), "application/json"


def data(content):
    return base64.b64encode(content).decode()


# How each route is sent a file, and what it calls the field.
DOORS = [
    ("edits, JSON", "/v1/images/edits", "image",
     lambda name, content: jsonBody({"image": "data:image/png;base64," + data(content)})),
    ("edits, form", "/v1/images/edits", "image", lambda name, content: form("image", name, content)),
    ("jobs", "/v1/jobs", "image", lambda name, content: jsonBody({"kind": "image", "image": data(content)})),
    ("img2img", "/sdapi/v1/img2img", "init_images", lambda name, content: jsonBody({"init_images": [data(content)]})),
    ("videos, form", "/v1/videos", "input_reference", lambda name, content: form("input_reference", name, content)),
]


def ask(port, method, path, body=None, kind=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def peak(process):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text()).group(1)) * 1024


def fault(row, door, field, status, body):
    """What is wrong with an answer; None for nothing."""
    if row["error"] == "none":
        # A model that makes clips from text only says so of a picture that it could read.
        good = status in (200, 202) or door.startswith("videos") and status == 400 and b"invalid_image" not in body
        return None if good else f"{status} {body[:200]}"
    if status != 400:
        return f"{status} {body[:200]}"
    error = json.loads(body)["error"]
    # An empty field is no base64; the decoder is not asked.
    said = row["text"] in error["message"] or row["error"] == "empty" and "neither base64" in error["message"]
    if error["param"] != field or not error["message"].startswith(field) or not said:
        return f"{error}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--most", type=int, default=1 << 30, help="bytes of the process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([sys.executable, "-B", ROOT / "MediaTests" / "hostile_pictures.py", folder / "files"], check=True,
                       stdout=subprocess.DEVNULL)
        table = json.loads((folder / "files" / "expected.json").read_text())
        server = Server(arguments, str(folder / "state"))
        port, process = int(server.url.rsplit(":", 1)[1]), server.process.pid
        counts, slowest, faults = collections.Counter(), 0.0, []
        try:
            for row in table:
                content = (folder / "files" / row["file"]).read_bytes()
                for door, path, field, body in DOORS:
                    began = time.monotonic()
                    status, answer = ask(port, "POST", path, *body(row["file"], content))
                    if status == 400:
                        slowest = max(slowest, time.monotonic() - began)
                    counts[row["error"], "taken" if status in (200, 202) else "refused"] += 1
                    if problem := fault(row, door, field, status, answer):
                        faults.append(f"{row['file']} by {door}: {problem}")
                if ask(port, "GET", "/healthz")[0] != 200 or server.process.poll() is not None:
                    sys.exit(f"the server is gone after {row['file']}")
            size = peak(process)
            status, _ = ask(port, "POST", "/v1/images/generations", *jsonBody({}))
            if status != 200:
                faults.append(f"no picture afterwards: {status}")
            if size > arguments.most:
                faults.append(f"{size} bytes at most, allowed are {arguments.most}")
        finally:
            server.end(signal.SIGKILL)
    print("| what the file is | files | requests | answered with |\n| --- | --- | --- | --- |")
    for error, words in KINDS:
        files = sum(row["error"] == error for row in table)
        if files:
            refused, taken = counts[error, "refused"], counts[error, "taken"]
            answers = [f"400 ({refused})"] * (refused > 0) + [f"a picture or a job ({taken})"] * (taken > 0)
            print(f"| {words} | {files} | {refused + taken} | {', '.join(answers)} |")
    print(f"\n{len(table)} files by {len(DOORS)} routes: slowest refusal {slowest:.1f} s, "
          f"peak memory {size / 1e6:.0f} MB, {len(faults)} faults")
    for line in faults:
        print("FAULT", line)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
