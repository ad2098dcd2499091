"""Lists of ids: upload a file, put another in its place, delete."""

from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import lists, usage
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    name, error = "", None
    if request.method == "POST":
        name = request.POST.get("name", "")
        try:
            done = lists.upload(_file(request), name=name)
        except Invalid as refusal:
            error = refusal
        else:
            audit.note(person(request).email, "list.create", done.made.id, name=done.made.name, size=done.made.size)
            return _told(request, done)
    listed = [{"list": one, "users": usage.of_list(one.id)} for one in lists.all_lists()]
    return render(request, "lists_list", status=422 if error else 200, lists=listed, name=name, error=error)


@require_POST
@signed_in
def replace(request: HttpRequest, list_id: str) -> HttpResponse:
    done = lists.upload(_file(request), list_id=list_id)
    audit.note(person(request).email, "list.replace", list_id, size=done.made.size)
    return _told(request, done)


@require_POST
@signed_in
def delete(request: HttpRequest, list_id: str) -> HttpResponse:
    found = lists.get(list_id)
    lists.delete(list_id)
    audit.note(person(request).email, "list.delete", list_id, name=found.name)
    flash(request, f"{found.name} was deleted.")
    return go("/segments/lists")


def _file(request: HttpRequest) -> BinaryIO:
    given = request.FILES.get("file")
    if not isinstance(given, UploadedFile):
        raise Invalid("Choose a file with one id per line.", path="file")
    return cast(BinaryIO, given)  # it reads lines as a file does


def _told(request: HttpRequest, done: lists.Upload) -> HttpResponse:
    text = f"{done.made.name} has {done.made.size:,} ids."
    if done.duplicates:
        text += f" {done.duplicates:,} stood in the file more than once."
    if done.refused:
        first = "; ".join(f"line {one.line}: {one.reason}" for one in done.bad[:5])
        text += f" {done.refused:,} lines are no ids and were left out ({first}{' …' if done.refused > 5 else ''})"
    flash(request, text, wrong=bool(done.refused))
    return go("/segments/lists")
