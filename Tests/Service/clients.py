#!/usr/bin/env python3
"""Real clients against a server of the embedded model, each with its own defaults. From the project's root:

    python3 Tests/Service/clients.py --phasor .build/release/phasor [--only 'openai-*'] [--venv DIR]

Packages of PyPI run as they are, in a virtual environment that is made where there is none (openai, litellm, langchain,
webuiapi, mcp, openapi-python-client). Programs that are no packages (Open WebUI, SillyTavern, LibreChat, aiyabot, KoboldAI
Lite, the benchmarks of SGLang and vLLM-Omni) are replayed: the requests that they send, and what they read of the answers.
docs/clients.md tells the settings. It takes a minute or two of two cores, and is not a part of `make test`.
"""
import argparse, asyncio, base64, fnmatch, io, json, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile, time
import traceback, urllib.error, urllib.request
from pathlib import Path

PACKAGES = ["openai", "litellm", "langchain-openai", "langchain-community", "webuiapi", "mcp", "openapi-python-client"]
KEY = "a-key-of-the-test"
CASES = []


def case(function):
    CASES.append((function.__name__.replace("_", "-"), function))
    return function


def need(condition, *detail):
    if not condition:
        raise AssertionError(" ".join(str(d) for d in detail)[:600])


def png_size(data):
    need(data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG:", data[:16])
    return struct.unpack(">II", data[16:24])


class Server:
    def __init__(self, phasor, model, *arguments):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="phasor-clients-"))
        (self.folder / "keys").write_text(KEY + "\n")
        self.model = Path(model).name
        self.process = subprocess.Popen(
            [phasor, "serve", model, "--port", str(self.port), "--state", str(self.folder / "state"), "--api-keys",
             str(self.folder / "keys"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "log", "wb"))
        for _ in range(400):
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=2):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path, body=None, headers=None, auth="bearer", content_type="application/json"):
        """(status, headers, bytes); a body that is no bytes is sent as JSON."""
        headers = dict(headers or {})
        if auth == "bearer":
            headers["Authorization"] = "Bearer " + KEY
        elif auth == "basic":
            headers["Authorization"] = "Basic " + base64.b64encode(f"user:{KEY}".encode()).decode()
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = path if path.startswith("http") else self.url + path
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=300) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def json(self, path, body=None, **options):
        status, _, data = self.ask(path, body, **options)
        need(status == 200, path, body, "gives", status, data[:300])
        return json.loads(data)


# Packages

@case
def openai_images(s):
    from openai import OpenAI
    client = OpenAI(base_url=s.url + "/v1", api_key=KEY)
    for model in ("gpt-image-1", "gpt-image-1.5", "gpt-image-2"):
        image = client.images.generate(model=model, prompt="a red balloon").data[0]
        need(png_size(base64.b64decode(image.b64_json)) == (128, 128), model)
    for model in ("dall-e-2", "dall-e-3"):
        url = client.images.generate(model=model, prompt="a red balloon").data[0].url
        need(re.search(r"\.png\?", url), "the link does not end as a picture's:", url)
        status, headers, data = s.ask(url, auth=None)
        need(status == 200 and headers["Content-Type"] == "image/png" and png_size(data), "the link needs a key:", status)
    several = client.images.generate(model="gpt-image-1", prompt="a dog", n=2, size="128x128", extra_body={"seed": 5})
    need([d.model_extra["seed"] for d in several.data] == [5, 6], several)


@case
def openai_images_streamed(s):
    from openai import OpenAI
    client = OpenAI(base_url=s.url + "/v1", api_key=KEY)
    stream = client.images.generate(model="gpt-image-1", prompt="a red balloon", stream=True, partial_images=2)
    events = [e.type for e in stream]
    need(events == ["image_generation.partial_image"] * 2 + ["image_generation.completed"], events)


@case
def openai_edits(s):
    from openai import OpenAI
    client = OpenAI(base_url=s.url + "/v1", api_key=KEY)
    dog = base64.b64decode(client.images.generate(model="gpt-image-1", prompt="a large dog on the beach", extra_body={"seed": 3}).data[0].b64_json)
    made = []
    for strength in (0.5, 0.8):
        image = client.images.edit(model="gpt-image-1", prompt="a large dog in the night sky", image=("dog.png", dog, "image/png"),
                                   extra_body={"seed": 3, "strength": strength}).data[0]
        made.append(base64.b64decode(image.b64_json))
        need(png_size(made[-1]) == (128, 128), strength)
    need(len({dog, *made}) == 3, "an edit is the picture before it, or another strength's")
    several = client.images.edit(model="gpt-image-1", prompt="a dog", image=[io.BytesIO(dog)], n=2, extra_body={"seed": 5})
    need([d.model_extra["seed"] for d in several.data] == [5, 6], several)


@case
def openai_refusals(s):
    import openai
    client = openai.OpenAI(base_url=s.url + "/v1", api_key=KEY, max_retries=0)
    for call, kind in (
        (lambda: client.images.generate(model="gpt-image-1", prompt="a dog", size="1024x1024"), openai.BadRequestError),
        (lambda: client.images.generate(model="no-such", prompt="a dog"), openai.NotFoundError),
        (lambda: client.images.edit(model="gpt-image-1", prompt="a dog", image=io.BytesIO(b"x" * 100_000)), openai.BadRequestError),
        (lambda: client.images.create_variation(image=io.BytesIO(b"x" * 100_000)), openai.BadRequestError),
    ):
        try:
            call()
            need(False, "was not refused")
        except kind as e:
            need(e.param and e.code, e)


@case
def openai_videos(s):
    from openai import OpenAI
    client = OpenAI(base_url=s.url + "/v1", api_key=KEY)
    video = client.videos.create_and_poll(model="sora-2", prompt="a dog walks", seconds="2", poll_interval_ms=200)
    need(video.status == "completed", video)
    need(client.videos.download_content(video.id).read()[4:8] == b"ftyp", "no MP4")
    need(png_size(client.videos.download_content(video.id, variant="thumbnail").read()) == (128, 128), "no thumbnail")
    need(video.id in [v.id for v in client.videos.list()], "not in the list")
    need(client.videos.delete(video.id).deleted, "not deleted")


def difference(one, other):
    """Root mean square of the differences of two pictures, in levels of 255"""
    from PIL import Image, ImageChops, ImageStat
    one, other = (Image.open(io.BytesIO(data)).convert("RGB") for data in (one, other))
    return max(ImageStat.Stat(ImageChops.difference(one, other)).rms)


@case
def openai_videos_from_a_picture(s):
    import openai
    client = openai.OpenAI(base_url=s.url + "/v1", api_key=KEY)
    drawn = client.images.generate(model="gpt-image-1", prompt="a large dog on the beach", extra_body={"seed": 3})
    dog = base64.b64decode(drawn.data[0].b64_json)
    data_url = "data:image/png;base64," + base64.b64encode(dog).decode()
    for create in (
        lambda: client.videos.create(model="sora-2", prompt="it moves down", seconds="2", input_reference=("dog.png", dog, "image/png")),
        lambda: client.post("/videos", cast_to=openai.types.Video, body={
            "model": "sora-2", "prompt": "it moves down", "seconds": "2", "input_reference": {"image_url": data_url}}),
    ):
        video = create()
        while (video := client.videos.retrieve(video.id)).status in ("queued", "in_progress"):
            time.sleep(0.2)
        need(video.status == "completed", video)
        thumbnail = client.videos.download_content(video.id, variant="thumbnail").read()
        # What the autoencoder makes of the picture; a clip of the words alone is 60 levels away.
        need(difference(thumbnail, dog) < 12, "the clip does not begin with the picture:", difference(thumbnail, dog))
    try:
        client.videos.create(model="sora-2", prompt="it moves down", input_reference=("dog.png", dog[:2000], "image/png"))
        need(False, "half a picture was not refused")
    except openai.BadRequestError as e:
        need(e.param == "input_reference", e)


@case
def litellm_images(s):
    import litellm
    for model in ("openai/gpt-image-1", "openai/dall-e-3"):
        r = litellm.image_generation(model=model, prompt="a red balloon", api_base=s.url + "/v1", api_key=KEY)
        need(r.data[0].b64_json or r.data[0].url, r)


@case
def langchain_images(s):
    from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper
    url = DallEAPIWrapper(api_key=KEY, base_url=s.url + "/v1", model="dall-e-3", size="128x128").run("a red balloon")
    status, _, data = s.ask(url, auth=None)
    need(status == 200 and png_size(data) == (128, 128), url, status)


@case
def webuiapi_package(s):
    import webuiapi
    api = webuiapi.WebUIApi(host="127.0.0.1", port=s.port)
    api.set_auth("user", KEY)
    result = api.txt2img(prompt="a red balloon", seed=3)  # Euler a, 20 steps, a scale of 7, 512x512
    need(result.info["steps"] == 4 and result.info["cfg_scale"] == 1, result.info)
    own = api.txt2img(prompt="a red balloon", seed=3, steps=4, cfg_scale=1, sampler_name="student")
    need(result.image.tobytes() == own.image.tobytes(), "the defaults give another picture than the student's own")
    need(api.get_samplers() and api.get_sd_models() and api.get_schedulers(), "empty menus")
    for ask in (api.get_options, api.get_cmd_flags, api.get_progress, api.get_hypernetworks, api.get_face_restorers,
                api.get_realesrgan_models, api.get_prompt_styles, api.get_upscalers, api.get_latent_upscale_modes, api.get_loras,
                api.get_sd_vae, api.get_embeddings, api.get_memory, api.refresh_checkpoints, api.get_scripts):
        ask()
    strong, weak = (api.img2img(images=[result.image], prompt="a red balloon in the night sky", seed=3, denoising_strength=strength)
                    for strength in (0.75, 0.3))
    need(strong.image.size == result.image.size and weak.info["denoising_strength"] == 0.3, weak.info)
    distance = [difference(png(other.image), png(result.image)) for other in (weak, strong)]
    need(0 < distance[0] < distance[1], "a weaker edit is not nearer to its picture:", distance)
    api.util_set_model(s.model)
    need(api.util_get_current_model() == s.model, api.util_get_current_model())
    need(api.png_info(result.image) is not None, "no info")
    api.interrupt()
    api.skip()


@case
def mcp_package(s):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def run():
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + KEY}, timeout=300) as http:
            async with Client(streamable_http_client(s.url + "/mcp", http_client=http)) as client:
                tools = [t.name for t in (await client.list_tools()).tools]
                need(tools == ["generate_image", "generate_video", "list_models"], tools)
                seen = []

                async def progress(done, total, message):
                    seen.append(done)
                r = await client.call_tool("generate_image", {"prompt": "a red balloon", "seed": 3, "n": 2}, progress_callback=progress)
                need(not r.is_error and [c.type for c in r.content] == ["image", "image", "text"], r)
                need(png_size(base64.b64decode(r.content[0].data)) == (128, 128), "no picture")
                need(seen and seen == sorted(seen), "no progress:", seen)
                status, _, _ = s.ask(r.structured_content["files"][0]["url"], auth=None)
                need(status == 200, "the link needs a key")
                clip = await client.call_tool("generate_video", {"prompt": "a dog", "num_frames": 5})
                need(clip.content[0].type == "resource_link" and clip.content[0].mime_type == "video/mp4", clip)
                wrong = await client.call_tool("generate_image", {"prompt": "a dog", "n": 99})
                need(wrong.is_error and "n" in wrong.content[0].text, wrong)
                models = await client.call_tool("list_models", {})
                need(models.structured_content["models"][0]["id"] == s.model, models)
    asyncio.run(run())


@case
def openapi_client(s):
    tool = shutil.which("openapi-python-client", path=str(Path(sys.executable).parent) + ":" + os.environ["PATH"])
    need(tool, "openapi-python-client is not there")
    (s.folder / "openapi.json").write_bytes(s.ask("/openapi.json")[2])
    r = subprocess.run([tool, "generate", "--path", "openapi.json", "--output-path", "made", "--meta", "none", "--overwrite"],
                       cwd=s.folder, capture_output=True, text=True)
    need(r.returncode == 0 and "WARNING" not in r.stdout + r.stderr, r.stdout, r.stderr)
    sys.path.insert(0, str(s.folder))
    try:
        from made import AuthenticatedClient
        from made.api.jobs import create_job, get_artifact, get_job
        from made.models import ImageJob
        client = AuthenticatedClient(base_url=s.url, token=KEY)
        job = create_job.sync(client=client, body=ImageJob.from_dict({"kind": "image", "prompt": "a red balloon", "seed": 3}))
        for _ in range(600):
            job = get_job.sync(job.id, client=client)
            if job.state not in ("queued", "running"):
                break
            time.sleep(0.1)
        need(job.state == "succeeded", job)
        file = get_artifact.sync(job.artifacts[0].id, client=client)
        need(png_size(file.payload.read()), "no picture")
    finally:
        sys.path.remove(str(s.folder))


# Replays

def png(image):
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def picture(s, path, body, field="b64_json", **options):
    r = s.json(path, body, **options)
    data = r["data"][0]
    if field == "url":
        status, headers, content = s.ask(data["url"], auth=None)
        need(status == 200 and headers["Content-Type"].startswith("image/"), data["url"], status)
        return png_size(content)
    return png_size(base64.b64decode(data[field]))


@case
def open_webui_a1111(s):
    # Its admin page: options read and sent back; then a picture of its default size and steps.
    options = s.json("/sdapi/v1/options", auth="basic")
    models = s.json("/sdapi/v1/sd-models", auth="basic")
    options["sd_model_checkpoint"] = models[0]["title"]
    s.json("/sdapi/v1/options", options, auth="basic")
    need(s.json("/sdapi/v1/options", auth="basic")["sd_model_checkpoint"] == models[0]["title"], "the model was not chosen")
    r = s.json("/sdapi/v1/txt2img", {"prompt": "a red balloon", "batch_size": 1, "width": 512, "height": 512, "steps": 50,
                                     "negative_prompt": "blurry"}, auth="basic")
    need(png_size(base64.b64decode(r["images"][0])) and json.loads(r["info"])["steps"] == 4, r["info"])


@case
def open_webui_openai(s):
    # It asks for base64 of models it does not know to answer with links, and fetches links with its own key.
    for model in ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1.5"):
        picture(s, "/v1/images/generations", {"model": model, "prompt": "a red balloon", "n": 1, "size": "512x512",
                                              "response_format": "b64_json"})
    picture(s, "/v1/images/generations", {"model": "dall-e-3", "prompt": "a red balloon", "n": 1, "size": "512x512"}, "url")


@case
def open_webui_edit(s):
    # One picture as `image`, several as `image[]`, each with a name and type of its own; the answer as for new pictures.
    drawn = s.json("/v1/images/generations", {"prompt": "a large dog", "seed": 3, "size": "256x256"})
    dog = base64.b64decode(drawn["data"][0]["b64_json"])
    fields = {"model": "gpt-image-1", "prompt": "a large dog in the night sky", "n": 1, "size": "512x512", "response_format": "b64_json"}
    body = form(fields, image=("image-1.png", "image/png", dog))
    edited = base64.b64decode(s.json("/v1/images/edits", body, content_type="multipart/form-data; boundary=b0")["data"][0]["b64_json"])
    # Of the sizes that the model makes, 256x256 is the nearest.
    need(png_size(edited) == (256, 256) and difference(edited, dog) > 5, "not edited:", png_size(edited), difference(edited, dog))
    body = form(fields | {"background": "auto"}, **{"image[]": ("image-1.png", "image/png", dog)})
    s.json("/v1/images/edits", body, content_type="multipart/form-data; boundary=b0")


@case
def sillytavern(s):
    need(s.ask("/sdapi/v1/options", auth="basic")[0] == 200, "its test of the connection")
    for path, field in (("upscalers", "name"), ("latent-upscale-modes", "name"), ("samplers", "name"), ("schedulers", "name"),
                        ("sd-models", "title"), ("sd-vae", "model_name")):
        [x[field] for x in s.json("/sdapi/v1/" + path, auth="basic")]
    s.json("/sdapi/v1/options", {"sd_model_checkpoint": s.json("/sdapi/v1/sd-models", auth="basic")[0]["title"]}, auth="basic")
    progress = s.json("/sdapi/v1/progress", auth="basic")
    need(progress["progress"] == 0 and progress["state"]["job_count"] == 0, "it waits for an idle server:", progress)
    body = {"prompt": "a red balloon", "negative_prompt": "lowres, bad anatomy", "sampler_name": "Euler a", "scheduler": "Automatic",
            "steps": 20, "cfg_scale": 7, "width": 512, "height": 512, "seed": -1, "restore_faces": False, "enable_hr": False,
            "hr_upscaler": "Latent", "hr_scale": 2, "hr_additional_modules": [], "denoising_strength": 0.7,
            "hr_second_pass_steps": 0, "save_images": True, "send_images": True, "do_not_save_grid": False,
            "do_not_save_samples": False, "override_settings": {"CLIP_stop_at_last_layers": 1},
            "override_settings_restore_afterwards": True}
    r = s.json("/sdapi/v1/txt2img", body, auth="basic")
    need(png_size(base64.b64decode(r["images"][0])), "no picture")


@case
def librechat(s):
    # Its tool of Stable Diffusion reads size, seed and infotexts; those of OpenAI take a link's name, or base64.
    r = s.json("/sdapi/v1/txt2img", {"prompt": "a red balloon", "negative_prompt": "blurry", "cfg_scale": 4.5, "steps": 22,
                                     "width": 1024, "height": 1024}, auth="basic")
    info = json.loads(r["info"])
    need(png_size(base64.b64decode(r["images"][0].split(",", 1)[0])) == (info["width"], info["height"]), info)
    need(isinstance(info["seed"], int) and "Steps: 4" in info["infotexts"][0].split("\n")[-1], info)
    body = {"model": "dall-e-3", "quality": "standard", "style": "vivid", "size": "1024x1024", "prompt": "a red balloon", "n": 1}
    need(re.search(r"\w+\.png", s.json("/v1/images/generations", body)["data"][0]["url"]), "no name in the link")
    picture(s, "/v1/images/generations", body, "url")
    picture(s, "/v1/images/generations", {"model": "gpt-image-1", "prompt": "a red balloon", "n": 1, "quality": "auto",
                                          "background": "auto", "size": "auto", "output_format": "png"})


@case
def aiyabot(s):
    need(s.ask("/sdapi/v1/cmd-flags", auth=None)[0] == 401, "it looks whether a password is asked for")
    s.json("/sdapi/v1/cmd-flags", auth="basic")
    for path in ("samplers", "prompt-styles", "face-restorers", "hypernetworks", "upscalers"):
        [x["name"] for x in s.json("/sdapi/v1/" + path, auth="basic")]
    embeddings = s.json("/sdapi/v1/embeddings", auth="basic")
    need(embeddings["loaded"] == {} and embeddings["skipped"] == {}, embeddings)
    models = s.json("/sdapi/v1/sd-models", auth="basic")
    need(all(k in models[0] for k in ("title", "model_name", "hash", "filename")), models)
    json.loads(s.ask("/config", auth="basic")[2])  # read outside of its try
    body = {"prompt": "a red balloon", "negative_prompt": "", "steps": 30, "width": 512, "height": 512, "cfg_scale": "7.0",
            "sampler_index": "Euler a", "seed": 77, "seed_resize_from_h": -1, "seed_resize_from_w": -1, "denoising_strength": None,
            "n_iter": 1, "override_settings": {"CLIP_stop_at_last_layers": 1}}
    r = s.json("/sdapi/v1/txt2img", body, auth="basic")
    info = s.json("/sdapi/v1/png-info", {"image": "data:image/png;base64," + r["images"][0]}, auth="basic")
    need("Seed: 77" in info["info"], info)


@case
def koboldai_lite(s):
    need(s.json("/sdapi/v1/sd-models", auth="basic")[0]["model_name"], "no model's name")
    body = {"prompt": "a red balloon", "sampler_name": "Euler a", "batch_size": 1, "n_iter": 1, "steps": 20, "cfg_scale": 7,
            "negative_prompt": "ugly, deformed, poorly", "width": 512, "height": 512, "seed": -1, "do_not_save_samples": True,
            "do_not_save_grid": True, "enable_hr": False, "eta": 0, "s_churn": 0, "s_tmax": 0, "s_tmin": 0, "s_noise": 1,
            "override_settings": {"sd_model_checkpoint": s.model}}
    need(png_size(base64.b64decode(s.json("/sdapi/v1/txt2img", body, auth="basic")["images"][0])), "no picture")


def form(fields, **files):
    """A multipart body; files are (name, type, bytes)"""
    parts = [f'--b0\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    for key, (name, kind, data) in files.items():
        head = f'--b0\r\nContent-Disposition: form-data; name="{key}"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + b"--b0--\r\n"


def polled(s, created):
    need(created["id"] and created["status"], created)
    for _ in range(600):
        video = s.json("/v1/videos/" + created["id"])
        if video["status"] in ("completed", "failed"):
            break
        time.sleep(0.2)
    need(video["status"] == "completed", video)


@case
def sglang_bench(s):
    # It waits for /health, asks for /v1/model_info, which may be missing, and names the model by a path: an alias.
    need(s.ask("/health", auth=None)[0] == 200, "/health")
    need(s.ask("/v1/model_info")[0] == 404, "/v1/model_info")
    picture(s, "/v1/images/generations", {"model": "a/path/of/a/model", "prompt": "a red balloon", "n": 1,
                                          "response_format": "b64_json", "size": "1024x1024"})
    polled(s, s.json("/v1/videos", {"model": "a/path/of/a/model", "prompt": "a dog", "size": "1280x720", "num_frames": 17, "fps": 8}))


@case
def vllm_omni_bench(s):
    picture(s, "/v1/images/generations", {"model": "a/path/of/a/model", "prompt": "a red balloon", "n": 1, "size": "1024x1024",
                                          "response_format": "b64_json", "seed": 42, "num_inference_steps": 4})
    r = s.json("/v1/videos", form({"prompt": "a dog", "height": 480, "width": 832, "num_frames": 17, "num_inference_steps": 4,
                                   "seed": 42, "fps": 8}), content_type="multipart/form-data; boundary=b0")
    polled(s, r)


@case
def curl_and_prefer(s):
    status, headers, data = s.ask("/v1/images/generations", {"prompt": "a red balloon"}, headers={"Prefer": "respond-async"})
    need(status == 202 and headers["Preference-Applied"] == "respond-async", status, data[:200])
    for _ in range(600):
        job = s.json(headers["Location"])
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    need(job["state"] == "succeeded" and job["artifacts"][0]["url"].endswith(".png"), job)


# Running

def inside(folder):
    """Runs on in a virtual environment with the packages, which is made where there is none."""
    python = folder / "bin" / "python"
    if Path(sys.prefix) == folder.resolve():
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    known = subprocess.run([str(python), "-m", "pip", "list", "--format", "freeze"], capture_output=True, text=True).stdout
    missing = [p for p in PACKAGES if not re.search(rf"^{re.escape(p)}==", known, re.M | re.I)]
    if missing:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *missing], check=True)
    os.execv(str(python), [str(python), "-B", *sys.argv])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--phasor", required=True)
    p.add_argument("--model", default="Models/emoji-scenes")
    p.add_argument("--only", default="*", help="a pattern of names")
    p.add_argument("--venv", default=".build/clients-venv")
    a = p.parse_args()
    inside(Path(a.venv))
    os.environ.update(LITELLM_LOG="ERROR", NO_PROXY="*")
    name = Path(a.model).name
    plain = Server(a.phasor, a.model)
    failed = 0
    try:
        # Clients of fixed sizes that the small model does not make, and of names of their own.
        near = Server(a.phasor, a.model, "--size-policy", "nearest", "--alias", f"a/path/of/a/model={name}")
        try:
            for title, function in CASES:
                if not fnmatch.fnmatch(title, a.only):
                    continue
                needs_sizes = title in ("open-webui-a1111", "open-webui-openai", "open-webui-edit", "sillytavern", "librechat", "aiyabot",
                                        "koboldai-lite", "sglang-bench", "vllm-omni-bench", "webuiapi-package")
                start = time.time()
                try:
                    function(near if needs_sizes else plain)
                    print(f"PASS {title} ({time.time() - start:.1f} s)", flush=True)
                except Exception as e:
                    failed += 1
                    line = traceback.extract_tb(e.__traceback__)[-1]
                    print(f"FAIL {title}: {type(e).__name__}: {str(e)[:500]} ({Path(line.filename).name}:{line.lineno})", flush=True)
        finally:
            near.end()
    finally:
        plain.end()
    print(f"{failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
