"""Kills `phasor render` with SIGKILL again and again, resumes it, and compares with a run that nobody disturbed.

    python3 Tests/Service/render_kill.py [--manifest Models/examples/two-hundred-clips.csv] [--kills 5]

After the last resume the folder must hold exactly the files of the undisturbed run, with the same bytes and the same
sidecars, and no file may have been written twice after it was whole. Standard library only.
"""
import argparse, hashlib, json, os, pathlib, random, signal, subprocess, sys, tempfile, time


def command(arguments, folder, *more):
    return [arguments.phasor, "render", arguments.manifest, "--out", folder, "--model", arguments.model, *more]


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and ".phasor" not in path.parts and path.name != "summary.json"}


def finished(folder):
    """The files that have a sidecar, with the moment and inode at which they got their names."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in pathlib.Path(folder).rglob("*")
            if path.suffix in (".png", ".mp4") and path.with_name(path.name + ".json").exists()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--manifest", default="Models/examples/two-hundred-clips.csv")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    randomness = random.Random(arguments.seed)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = os.path.join(folder, "calm"), os.path.join(folder, "killed")
        start = time.monotonic()
        subprocess.run(command(arguments, calm), check=True, stdout=subprocess.DEVNULL)
        whole = time.monotonic() - start
        files = json.loads(pathlib.Path(calm, "summary.json").read_text())["made"]
        print(f"undisturbed: {files} files in {whole:.1f} s", flush=True)

        done = {}
        for kill in range(arguments.kills):
            process = subprocess.Popen(command(arguments, killed), stdout=subprocess.DEVNULL)
            time.sleep(randomness.uniform(0.1, 1.2) * whole / arguments.kills)
            if process.poll() is not None:
                wrong.append(f"kill {kill + 1} came too late: the batch had ended")
            process.send_signal(signal.SIGKILL)
            process.wait()
            now = finished(killed)
            wrong += [f"{path} was made again" for path, seen in done.items() if now.get(path) != seen]
            done = now
            print(f"kill {kill + 1}: {len(done)} files are whole", flush=True)
        subprocess.run(command(arguments, killed, "--resume"), check=True, stdout=subprocess.DEVNULL)
        now = finished(killed)
        wrong += [f"{path} was made again" for path, seen in done.items() if now.get(path) != seen]
        summary = json.loads(pathlib.Path(killed, "summary.json").read_text())
        if summary["made"] + summary["kept"] != files or summary["kept"] < len(done):
            wrong.append(f"the last run made {summary['made']} and kept {summary['kept']} of {files}")
        expected, found = digests(calm), digests(killed)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                wrong.append(f"{name}: {'missing' if name not in found else 'stray' if name not in expected else 'other bytes'}")
    print("\n".join(wrong))
    print(f"{arguments.kills} kills, {files} files, {len(expected)} with sidecars and overview, {len(wrong)} faults")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
