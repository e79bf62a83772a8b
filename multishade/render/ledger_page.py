# SPDX-License-Identifier: Apache-2.0
"""A ledger of failures -> a page of one file: counts, quarantine, and each failure with what Blender printed last."""

from collections.abc import Callable, Sequence
from pathlib import Path

from multishade.errors import OutputError
from multishade.render.ledger import Entry, Ledger
from multishade.render.quarantine import Quarantined
from multishade.report.document import Block, Bullets, Heading, Paragraph, Table, to_html
from multishade.storage.local import write_text

SHOWN_LINES = 20  # of Blender's output
SHOWN_DETAILS = 200


def write_page(
    path: Path,
    name: str,
    ledger: Ledger,
    quarantine: Sequence[Quarantined],
    command: Callable[[Entry], str],
) -> None:
    """Write the page.

    Args:
        path: Of the HTML file.
        name: Of the data set, for the title.
        ledger: Its failures.
        quarantine: Objects that are passed over.
        command: What renders the group of a failure again.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(
        path,
        to_html(f"Failures of {name}", page(ledger, quarantine, command)),
        OutputError,
        "choose another -o",
    )


def page(ledger: Ledger, quarantine: Sequence[Quarantined], command: Callable[[Entry], str]) -> list[Block]:
    """Return the page as blocks."""
    entries = ledger.entries
    given_up = {entry.shard for entry in entries if not entry.complete}
    blocks: list[Block] = [
        Paragraph(
            f"{len(entries)} failures in {len(ledger.shards)} shards; {len(ledger.complete)} shards are complete, "
            f"{len(given_up)} were given up."
        ),
        Heading("By kind"),
        Table(("kind", "failures"), [(kind, str(count)) for kind, count in ledger.by_kind()]),
        Heading("By object"),
        Table(
            ("object", "last reason", "failures"),
            [(name, found[-1].reason, str(len(found))) for name, found in ledger.by_object()],
            text_columns=2,
            wrap=True,
        ),
    ]
    if bad := ledger.bad_materials():
        blocks += [
            Heading("Materials that failed on several objects"),
            Table(("material", "objects"), [(name, str(count)) for name, count in bad.items()]),
        ]
    if quarantine:
        blocks += [
            Heading("In quarantine"),
            Table(
                ("object", "reason", "failures"),
                [(entry.object, entry.reason, str(entry.failures)) for entry in quarantine],
                text_columns=2,
                wrap=True,
            ),
        ]
    blocks.append(Heading("Each failure"))
    for entry in entries[:SHOWN_DETAILS]:
        failure = entry.failure
        blocks.append(Heading(failure.group or f"shard {entry.shard}", 3))
        blocks.append(Paragraph(entry.reason))
        blocks.append(Bullets(details(entry, command(entry))))
        if failure.output:
            rows = [(line,) for line in failure.output[-SHOWN_LINES:]]
            blocks.append(Table(("the last lines that Blender printed",), rows, wrap=True))
    if len(entries) > SHOWN_DETAILS:
        blocks.append(Paragraph(f"{len(entries) - SHOWN_DETAILS} more are not shown."))
    return blocks


def details(entry: Entry, command: str) -> list[str]:
    """Return what is known of a failure besides its reason, a line each."""
    failure = entry.failure
    known = {
        "object": failure.object,
        "material": failure.material,
        "kind": str(failure.kind),
        "phase": failure.phase,
        "signal": failure.signal,
        "attempts": str(failure.attempts),
        "again": command,
    }
    return [f"{name}: {value}" for name, value in known.items() if value]
