# SPDX-License-Identifier: Apache-2.0
"""`multishade assets fetch SOURCE`: fetch assets of a remote source into a cache and write their manifest."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.cli.options import add_output
from multishade.cli.triage import add_triage, triage_rules

if TYPE_CHECKING:
    from multishade.assets.fetch.ingest import FetchJob, FetchResult


def add_fetch(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `fetch` and its sources under `multishade assets`."""
    parser = actions.add_parser(
        "fetch", help="fetch assets from a remote source, with their hashes and licences"
    )
    sources = parser.add_subparsers(title="sources", metavar="SOURCE", required=True)
    _add_objaverse(sources)
    _add_matsynth(sources)
    _add_polyhaven(sources)
    _add_http(sources)
    _add_bucket(sources)


def _add_objaverse(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _source(
        sources, "objaverse", "objects of Objaverse 1.0, triaged without rendering", run_objaverse
    )
    parser.add_argument(
        "--uids", type=Path, metavar="FILE", help="only these uids: JSON, CSV or one uid per line"
    )
    parser.add_argument(
        "--filter-list", metavar="URL|FILE", help="the same, such as a list published with a paper"
    )
    parser.add_argument(
        "--lvis", action="append", default=[], metavar="CATEGORY", help="only of this LVIS category"
    )
    _add_limit(parser, "objects")
    _add_licence(parser, "by,cc0")
    _add_split(parser)
    add_triage(parser)
    parser.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help="address of the Hugging Face Hub (default: $HF_ENDPOINT)",
    )


def _add_matsynth(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _source(
        sources, "matsynth", "PBR materials of MatSynth, streamed from the Hugging Face Hub", run_matsynth
    )
    parser.add_argument(
        "--part",
        choices=["train", "test"],
        default="train",
        help="part of MatSynth; the part test stays for testing",
    )
    parser.add_argument(
        "--category", action="append", default=[], help="only of this category, such as metal"
    )
    _add_limit(parser, "materials")
    _add_licence(parser, "")
    parser.add_argument(
        "--max-size",
        type=int,
        default=2048,
        metavar="PIXELS",
        help="maximum size of a map; larger ones are shrunk (default 2048)",
    )
    parser.add_argument(
        "--repository",
        default="",
        metavar="NAME|DIR",
        help="data set on the Hub (default: gvecchio/MatSynth)",
    )


def _add_polyhaven(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _source(sources, "polyhaven", "HDRIs of Poly Haven (CC0), through its public API", run_polyhaven)
    parser.add_argument("--resolution", default="2k", help="1k, 2k, 4k, ... (default 2k)")
    parser.add_argument("--format", choices=["hdr", "exr"], default="hdr")
    parser.add_argument(
        "--category", action="append", default=[], help="only of this category, such as outdoor"
    )
    _add_limit(parser, "HDRIs")
    _add_split(parser)
    parser.add_argument(
        "--api", default="", metavar="URL", help="address of the API (default: https://api.polyhaven.com)"
    )


def _add_http(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _source(sources, "http", "files of a list of URLs with hashes", run_http)
    parser.add_argument(
        "list", type=Path, metavar="LIST", help="lines of: URL SHA256 [LICENCE [PATH]], or JSON objects"
    )
    _add_kind(parser)


def _add_bucket(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    # Its store tries each request again, as it does for data sets.
    parser = _source(
        sources, "bucket", "all files below a folder of an object store", run_bucket, attempts=False
    )
    parser.add_argument("url", metavar="URL", help="s3://BUCKET/FOLDER, gs://..., az://...")
    _add_kind(parser)
    parser.set_defaults(attempts=1)


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=["auto", "objects", "materials", "environments"], default="auto")
    parser.add_argument("--licence", help="licence of files for which none is stated")
    _add_split(parser)


def run_objaverse(args: argparse.Namespace) -> int:
    def fetch(job: "FetchJob") -> "FetchResult":
        from multishade.assets.fetch.objaverse import ObjaverseOptions, fetch_objaverse
        from multishade.assets.fetch.uid_list import local_copy, read_uids

        lists = [read_uids(args.uids)] if args.uids else []
        if args.filter_list:
            lists.append(read_uids(local_copy(args.filter_list, job.cache, job.policy)))
        uids = None
        if lists:
            others = [set(other) for other in lists[1:]]
            uids = tuple(uid for uid in lists[0] if all(uid in other for other in others))
        options = ObjaverseOptions(
            uids=uids,
            categories=tuple(args.lvis),
            limit=args.limit,
            licences=_codes(args.licence),
            split=args.split,
            rules=triage_rules(args),
            endpoint=args.endpoint,
        )
        return fetch_objaverse(options, job)

    return _run(args, fetch)


def run_matsynth(args: argparse.Namespace) -> int:
    def fetch(job: "FetchJob") -> "FetchResult":
        from multishade.assets.fetch.matsynth import REPOSITORY, MatSynthOptions, fetch_matsynth

        options = MatSynthOptions(
            part=args.part,
            limit=args.limit,
            max_size=args.max_size or None,
            licences=_codes(args.licence),
            categories=tuple(args.category),
            repository=args.repository or REPOSITORY,
        )
        return fetch_matsynth(options, job)

    return _run(args, fetch)


def run_polyhaven(args: argparse.Namespace) -> int:
    def fetch(job: "FetchJob") -> "FetchResult":
        from multishade.assets.fetch.polyhaven import API, PolyHavenOptions, fetch_polyhaven

        options = PolyHavenOptions(
            resolution=args.resolution,
            format=args.format,
            count=args.limit,
            categories=tuple(args.category),
            split=args.split,
            api=args.api or API,
        )
        return fetch_polyhaven(options, job)

    return _run(args, fetch, "powered by Poly Haven (https://polyhaven.com)")


def run_http(args: argparse.Namespace) -> int:
    def fetch(job: "FetchJob") -> "FetchResult":
        from multishade.assets.fetch.url_list import fetch_url_list
        from multishade.assets.scanning.scan import ScanOptions

        options = ScanOptions(kind=args.kind, licence=args.licence, split=args.split)
        return fetch_url_list(args.list, options, job)

    return _run(args, fetch)


def run_bucket(args: argparse.Namespace) -> int:
    def fetch(job: "FetchJob") -> "FetchResult":
        from multishade.assets.fetch.bucket import fetch_bucket
        from multishade.assets.scanning.scan import ScanOptions

        options = ScanOptions(kind=args.kind, licence=args.licence, split=args.split)
        return fetch_bucket(args.url, options, job)

    return _run(args, fetch)


def _run(args: argparse.Namespace, fetch: Callable[..., "FetchResult"], credit: str | None = None) -> int:
    """Fetch, write the manifest and print the rejections. Exit code 1 if the run was stopped or gave no asset."""
    from tqdm import tqdm

    from multishade.assets.fetch.client import FetchPolicy
    from multishade.assets.fetch.ingest import FetchJob, write_result
    from multishade.assets.scanning.summary import summarise
    from multishade.storage.writable import require_writable_file

    require_writable_file(args.output)
    policy = FetchPolicy(workers=args.workers, attempts=args.attempts)
    current = {"what": ""}
    with tqdm(unit="asset", disable=None) as bar:

        def show(what: str, done: int, total: int) -> None:
            if current["what"] != what or done < bar.n:
                current["what"] = what
                bar.reset(total or None)
                bar.set_description(what)
            bar.total = total or None
            bar.update(done - bar.n)

        result = fetch(FetchJob(args.cache.expanduser(), args.output, policy, progress=show))
    written = write_result(result, args.output)
    for each in result.rejected:
        print(f"rejected: {each.name}: {each.reason}")
    print(f"{len(result.rows)} usable, {len(result.rejected)} rejected")
    for line in summarise(result.rows, [each.reason for each in result.rejected]):
        print(f"  {line}")
    for path in written:
        print(f"wrote {path}")
    if credit and result.rows:
        print(credit)
    if result.stopped:
        print(f"stopped early: {result.stopped}")
    return 1 if result.stopped or not result.rows else 0


def _source(
    sources: Any,
    name: str,
    help_text: str,
    run: Callable[[argparse.Namespace], int],
    attempts: bool = True,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = sources.add_parser(name, help=help_text, description=help_text)
    add_output(parser, "the manifest to write", "MANIFEST", required=True)
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("~/.cache/multishade"),
        metavar="DIR",
        help="folder of the fetched files (default ~/.cache/multishade)",
    )
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="downloads at once (default 8)")
    if attempts:
        parser.add_argument(
            "--attempts", type=int, default=5, metavar="N", help="attempts at one file (default 5)"
        )
    parser.set_defaults(run=run)
    return parser


def _add_limit(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--limit", type=int, metavar="N", help=f"maximum number of {what}")


def _add_licence(parser: argparse.ArgumentParser, default: str) -> None:
    text = "codes such as by,cc0; 'any' for all" + (f" (default {default})" if default else " (default any)")
    parser.add_argument("--licence", default=default or "any", metavar="CODES", help=text)


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=["train", "val", "test", "auto"],
        default="auto",
        help="auto: nine tenths for training, the rest for validation and testing (default)",
    )


def _codes(text: str) -> tuple[str, ...]:
    return () if text == "any" else tuple(code.strip() for code in text.split(",") if code.strip())
