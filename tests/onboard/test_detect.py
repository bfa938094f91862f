"""What lies in a folder is recognised from its files, without running them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from soak.onboard import detect, project
from soak.onboard.foreign import compose_services
from soak.onboard.openapi import Documented, read_document
from soak.onboard.project import Candidate, files, interpreter
from soak.onboard.source import apps, closed_routes, routes, scan
from soak.onboard.template import scenario_name
from tests.common import PATIENCE_S


def write(folder: Path, **texts: str) -> Path:
    """Write files: `src__app_py` is src/app.py."""
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def commands(folder: Path) -> list[tuple[str, ...]]:
    """The commands of all candidates without the interpreter in front."""
    return [found.command[1:] for found in detect.candidates(folder)]


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates get port 8000, whatever listens on this machine."""
    monkeypatch.setattr(detect, "free_port", lambda: 8000)
    monkeypatch.setattr(project, "_INTERPRETER_TIMEOUT_S", 2 * PATIENCE_S)  # of a busy machine


def test_a_fastapi_application_runs_under_uvicorn(tmp_path: Path) -> None:
    """`app = FastAPI()` in main.py is main:app, with the routes that take no parameter; the others have a reason."""
    write(
        tmp_path,
        main_py="from fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/orders')\ndef a(): ...\n@app.get('/orders/{i}')\ndef b(): ...\n@app.post('/buy')\ndef c(): ...\n",
    )
    (found,) = detect.candidates(tmp_path)
    assert found.command[1:] == ("-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "8000")
    assert found.paths == ("/orders",) and found.guesses[:2] == ("/", "/health")
    assert found.closed == {"/orders/{i}": "needs a value in its path", "/buy": "takes no GET"}


def test_a_factory_in_a_package_below_src_is_found(tmp_path: Path) -> None:
    """A function that makes and returns the application is a factory; the folder above its package is the root."""
    write(
        tmp_path,
        src__shop____init___py="",
        src__shop__web_py="import fastapi\ndef create(debug=False):\n    app = fastapi.FastAPI()\n    return app\n",
    )
    (tmp_path / "src/shop/__init__.py").touch()
    (command,) = commands(tmp_path)
    assert command[2] == "shop.web:create" and "--factory" in command
    assert command[-2:] == ("--app-dir", "src")


def test_an_instance_made_by_a_factory_elsewhere_wins(tmp_path: Path) -> None:
    """`app = create_app()` is an application when create_app is known to make one."""
    write(
        tmp_path,
        shop_py="from flask import Flask\ndef create_app():\n    app = Flask('x')\n    return app\n",
        wsgi_py="from shop import create_app\napp = create_app()\n",
    )
    assert [command[3] for command in commands(tmp_path)] == ["wsgi:app", "shop:create_app"]


def test_flask_uses_gunicorn_where_its_settings_lie(tmp_path: Path) -> None:
    """A gunicorn.conf.py says how this project is served."""
    write(tmp_path, app_py="from flask import Flask\napp = Flask(__name__)\n")
    assert commands(tmp_path)[0][:2] == ("-m", "flask")
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\n")
    assert commands(tmp_path)[0][:4] == ("-m", "gunicorn", "-c", "gunicorn.conf.py")


def test_an_aiohttp_script_runs_itself_on_its_own_port(tmp_path: Path) -> None:
    """web.run_app in a script says how it starts and where it listens."""
    write(
        tmp_path,
        polls_py="from aiohttp import web\napp = web.Application()\napp.add_routes([web.get('/polls', None)])\n"
        "if __name__ == '__main__':\n    web.run_app(app, port=9001)\n",
    )
    (found,) = detect.candidates(tmp_path)
    assert (found.command[1:], found.port, found.env) == (("polls.py",), 9001, {})
    assert "/polls" in found.paths
    text = (tmp_path / "polls.py").read_text()
    (tmp_path / "polls.py").write_text("import os\n" + text.replace("9001", "int(os.environ['PORT'])"))
    assert (detect.candidates(tmp_path)[0].port, detect.candidates(tmp_path)[0].env) == (8000, {"PORT": "8000"})


def test_a_script_that_serves_its_flask_application_is_run_as_it_is(tmp_path: Path) -> None:
    """waitress.serve at the end of the file: importing it, as `flask run` does, would never return."""
    write(
        tmp_path,
        app_py="from flask import Flask\nfrom waitress import serve\napp = Flask('x')\nserve(app, port=9002)\n",
    )
    (found,) = detect.candidates(tmp_path)
    assert (found.command[1:], found.port) == (("app.py",), 9002)


def test_a_django_project_runs_without_its_reloader(tmp_path: Path) -> None:
    """manage.py runserver, in one process: the reloader's parent would be watched in vain."""
    write(tmp_path, manage_py="import django\n", shop__urls_py="urlpatterns = [path('basket/', None)]\n")
    (found,) = detect.candidates(tmp_path)
    assert found.command[1:] == ("manage.py", "runserver", "--noreload", "127.0.0.1:8000")
    assert "/basket/" in found.paths


def test_a_celery_worker_has_no_url(tmp_path: Path) -> None:
    """A worker is a candidate without a port, with a note that the load comes from elsewhere."""
    write(tmp_path, tasks_py="from celery import Celery\nqueue = Celery('x')\n")
    (found,) = detect.candidates(tmp_path)
    assert found.command[2:6] == ("celery", "-A", "tasks:queue", "worker")
    assert found.port is None and "load.profile" in found.notes[-1]


def test_a_procfile_comes_first_and_gets_its_port(tmp_path: Path) -> None:
    """The web line is what the project itself says; a shell only where the line needs one."""
    write(tmp_path, Procfile="web: gunicorn app:app --bind 0.0.0.0:${PORT:-5000}\nrelease: migrate\nqueue: rq worker\n")
    write(tmp_path, app_py="from flask import Flask\napp = Flask(__name__)\n@app.get('/a')\ndef f(): ...\n")
    first, _, last = detect.candidates(tmp_path)
    assert first.command == ("gunicorn", "app:app", "--bind", "0.0.0.0:8000")
    assert (first.env, first.paths) == ({"PORT": "8000"}, ("/a",))
    assert (last.command, last.port) == (("rq", "worker"), None) and "load.profile" in last.notes[0]
    (tmp_path / "Procfile").write_text("web: gunicorn app:app --bind $HOST:$PORT\n")
    assert detect.candidates(tmp_path)[0].command == ("sh", "-c", "exec gunicorn app:app --bind $HOST:8000")
    (tmp_path / "Procfile").write_text("web: migrate && gunicorn app:app\n")
    assert detect.candidates(tmp_path)[0].command == ("sh", "-c", "migrate && gunicorn app:app")


def test_programs_of_the_projects_own_environment_are_taken(tmp_path: Path) -> None:
    """What a Procfile calls `gunicorn` is the one in .venv: soak does not run in an activated environment."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/gunicorn").touch(mode=0o755)
    write(tmp_path, Procfile="web: gunicorn app:app -b :$PORT\n")
    assert detect.candidates(tmp_path)[0].command[0] == ".venv/bin/gunicorn"
    (tmp_path / "Procfile").write_text("web: gunicorn app:app -b $HOST:1\n")
    assert detect.candidates(tmp_path)[0].command[-1].startswith("exec .venv/bin/gunicorn ")


def test_node_starts_with_its_own_command_and_port(tmp_path: Path) -> None:
    """`npm start` of a node script is that script; PORT where the source reads it, else the port it listens on."""
    write(tmp_path, package_json=json.dumps({"scripts": {"start": "node server.js"}, "dependencies": {"express": "4"}}))
    (tmp_path / "server.js").write_text("app.get('/users', f); app.get('/users/:id', f); app.listen(4567)")
    (found,) = detect.candidates(tmp_path)
    assert (found.command, found.port, found.paths) == (("node", "server.js"), 4567, ("/users",))
    assert "npm install" in found.notes[0] and list(found.closed) == ["/users/:id"]
    (tmp_path / "server.js").write_text("app.listen(process.env.PORT || 3000)")
    assert detect.candidates(tmp_path)[0].env == {"PORT": "8000"}
    write(tmp_path, package_json=json.dumps({"scripts": {"start": "next start"}}))
    assert detect.candidates(tmp_path)[0].command == ("npm", "start")


def test_a_broken_package_json_is_no_candidate(tmp_path: Path) -> None:
    """What cannot be read is not guessed at."""
    for text in ("{", "[]", '{"scripts": {}}'):
        write(tmp_path, package_json=text)
        assert detect.candidates(tmp_path) == []


COMPOSE = """\
services:
  web:
    image: shop
    ports:
      - "8080:80"
  cache:
    image: redis
  api:
    container_name: shop-api
    ports:
    - 127.0.0.1:9000:9000
volumes:
  data:
"""


def test_services_with_a_port_are_read_from_a_compose_file(tmp_path: Path) -> None:
    """Service, container and published port; services without a port cannot be reached and are left out."""
    assert list(compose_services(COMPOSE)) == [("web", None, 8080), ("api", "shop-api", 9000)]
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert [found.container for found in detect.candidates(tmp_path)] == [f"{tmp_path.name}-web-1", "shop-api"]


def test_foreign_folders_and_files_that_do_not_parse_are_left_out(tmp_path: Path) -> None:
    """Virtual environments, node_modules, tests and hidden folders are not the project."""
    app = "from flask import Flask\napp = Flask(__name__)\n"
    write(tmp_path, tests__app_py=app, node_modules__x__app_py=app, broken_py="def (", mine__app_py=app)
    write(tmp_path, other__app_py=app)
    (tmp_path / "other/pyvenv.cfg").touch()
    assert [path.parent.name for path in files(tmp_path, (".py",))] == [tmp_path.name, "mine"]
    assert [app.path.parent.name for app in apps(scan(tmp_path))] == ["mine"]


def test_only_routes_that_answer_a_bare_get_count(tmp_path: Path) -> None:
    """No parameters, no other methods, no foreign URLs; each once. What is left out says why."""
    write(
        tmp_path,
        app_py="@app.route('/a')\n@app.route('/b', methods=['POST'])\n@app.route('/c', methods=['GET', 'POST'])\n"
        "@app.route('/d/<int:x>')\n@app.get('/a')\ndef f(): ...\nhttpx.get('http://elsewhere/')\nenviron.get('HOME')\n",
    )
    assert routes(scan(tmp_path)) == ("/a", "/c")
    assert closed_routes(scan(tmp_path)) == {"/b": "takes no GET", "/d/<int:x>": "needs a value in its path"}


def test_routes_of_a_blueprint_or_router_stand_below_its_prefix(tmp_path: Path) -> None:
    """url_prefix of Flask, prefix of FastAPI."""
    write(
        tmp_path,
        a_py="from flask import Blueprint\nbp = Blueprint('a', __name__, url_prefix='/auth/')\n"
        "@bp.route('/login')\ndef f(): ...\n",
        b_py="from fastapi import APIRouter\nrouter = APIRouter(prefix='/items')\n@router.get('/new')\ndef f(): ...\n",
    )
    assert routes(scan(tmp_path)) == ("/auth/login", "/items/new")


def test_the_interpreter_of_the_project_is_taken(tmp_path: Path) -> None:
    """A virtual environment in the folder wins when it has what is needed, else the next one; none is said."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    assert interpreter(tmp_path, ("json",)) == ".venv/bin/python"
    (tmp_path / ".venv/bin/python").unlink()
    assert interpreter(tmp_path, ("json",)) is not None
    assert interpreter(tmp_path, ("no_such_module_anywhere",)) is None


def test_openapi_gives_the_paths_that_can_be_asked_and_what_the_others_need() -> None:
    """GET with what its examples fill in; parameters without one, a login and other methods are said."""
    needed = {"name": "q", "in": "query", "required": True}
    document = {
        "paths": {
            "/a": {"get": {}},
            "/b/{x}": {"get": {}},
            "/c": {"post": {}},
            "/d": {"get": {"parameters": [needed]}},
            "/e": {"get": {"parameters": [{**needed, "required": False}]}},
            "/f": {"get": {"security": [{"key": []}]}},
            "/g": None,
            "/h/{id}": {
                "parameters": [{"$ref": "#/components/id"}],
                "get": {"parameters": [{**needed, "example": "a b"}]},
            },
        },
        "components": {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}},
    }
    found = read_document(document)
    assert found.paths == ("/a", "/e", "/h/1?q=a+b")
    assert found.closed == {
        "/b/{x}": "needs a value in its path",
        "/c": "takes POST, with a body",
        "/d": "needs q",
        "/f": "wants to be signed in",
    }
    assert read_document([]) == read_document({"paths": 3}) == Documented()


@pytest.mark.parametrize("where", [{"basePath": "/v2/"}, {"servers": [{"url": "https://shop.example/v2"}]}])
def test_the_prefix_of_an_openapi_document_stands_before_its_paths(where: dict[str, object]) -> None:
    """basePath in version 2, the path of the first server in version 3; a public host is not asked."""
    assert read_document({**where, "paths": {"/a": {"get": {}}}}).paths == ("/v2/a",)


def test_a_document_in_the_folder_names_the_first_paths(tmp_path: Path) -> None:
    """openapi.json beside the source is the best there is to know of a service; a broken one is left alone."""
    write(tmp_path, Procfile="web: serve\n", openapi_json=json.dumps({"paths": {"/v1/orders": {"get": {}}}}))
    assert detect.candidates(tmp_path)[0].paths == ("/v1/orders",)
    write(tmp_path, openapi_json="{")
    assert detect.candidates(tmp_path)[0].paths == ()


def test_scenarios_are_named_after_their_paths() -> None:
    """Short names for reports; the root has one too."""
    assert [scenario_name(path) for path in ("/", "/api/orders/", "/a.json?x=1")] == [
        "root",
        "api-orders",
        "a-json-x-1",
    ]


def test_a_candidate_needs_only_a_name() -> None:
    """Everything else has a default that asks for nothing."""
    assert Candidate("x").guesses == ("/",)
