"""Where keys, logins and what other agents store are: what a confined agent cannot read.

One table, from which the list in docs/sandbox.md is made. The source of each row is the page of its
vendor that names the place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import starmap
from types import MappingProxyType

import msgspec

_NONE: Mapping[str, str] = MappingProxyType({})

XDG = MappingProxyType(
    {
        "~/.config": "XDG_CONFIG_HOME",
        "~/.local/share": "XDG_DATA_HOME",
        "~/.local/state": "XDG_STATE_HOME",
        "~/.cache": "XDG_CACHE_HOME",
    }
)
"""Variables that move a folder, by the folder."""

_XDG_NAMES = tuple(XDG.items())
_IS_MAC = sys.platform == "darwin"


class Place(msgspec.Struct, frozen=True):
    """Where something stores what others are not to read.

    Attributes:
        whose: What stores it.
        paths: Files and folders; ``~`` is the home.
        source: The page that names them.
        moved: Names of variables that move one of them, or a folder above it, by that path.
    """

    whose: str
    paths: tuple[str, ...]
    source: str
    moved: Mapping[str, str] = _NONE

    def found_by(self, env: Mapping[str, str], home: str) -> Iterator[str]:
        """Yields where it is: as the table says, and as variables say.

        Args:
            env: The variables.
            home: What ``~`` is.
        """
        for path in self.paths:
            if _IS_MAC or not path.startswith("~/Library/"):
                yield home + path[1:]
        for prefix, names in (*_XDG_NAMES, *self.moved.items()):
            values = [env[name] for name in names.split() if name in env]
            for folder in os.pathsep.join(values).split(os.pathsep) if values else ():
                if _is_usable(folder, home):
                    yield from self._below(prefix, folder)

    def _below(self, prefix: str, folder: str) -> Iterator[str]:
        below = [path for path in self.paths if f"{path}/".startswith(f"{prefix}/")]
        if not below and prefix in self.moved:
            yield folder
        yield from (folder.rstrip("/") + path.removeprefix(prefix) for path in below)


def _is_usable(folder: str, home: str) -> bool:
    """Whether a variable names a place of its own: not ``/dev/null``, nor all of the home."""
    return folder.startswith("/") and not folder.startswith("/dev/") and not _holds(folder, home)


def _holds(folder: str, path: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _browser(whose: str, linux: str, mac: str, source: str) -> Place:
    return Place(whose, (linux, f"~/Library/Application Support/{mac}"), source)


_MAC = "~/Library/Application Support"
_PREFERENCES = "~/Library/Preferences"

KEYS = (
    Place("SSH", ("~/.ssh",), "man.openbsd.org/ssh"),
    Place(
        "GnuPG",
        ("~/.gnupg",),
        "gnupg.org/documentation/manuals/gnupg/GPG-Configuration.html",
        {"~/.gnupg": "GNUPGHOME"},
    ),
    Place(
        "age, SOPS",
        ("~/.config/sops/age", f"{_MAC}/sops/age", "~/.config/age"),
        "getsops.io/docs/#encrypting-using-age",
        {"~/.config/sops/age/keys.txt": "SOPS_AGE_KEY_FILE"},
    ),
    Place(
        "pass, gopass",
        ("~/.password-store", "~/.local/share/gopass", "~/.config/gopass"),
        "git.zx2c4.com/password-store/about",
        {"~/.password-store": "PASSWORD_STORE_DIR"},
    ),
    Place(
        "keyrings",
        ("~/.local/share/keyrings", "~/.local/share/kwalletd", "~/Library/Keychains", "~/.pki"),
        "wiki.gnome.org/Projects/GnomeKeyring",
    ),
    Place(
        "password managers",
        (
            *("~/.config/op", "~/.op", "~/.config/1Password", "~/.config/Bitwarden"),
            *("~/.config/Bitwarden CLI", "~/.config/keepassxc", "~/.config/lastpass", "~/.lpass"),
            *("~/.local/share/lpass", "~/.config/rbw", "~/.local/share/rbw"),
            *(f"{_MAC}/1Password", f"{_MAC}/Bitwarden", f"{_MAC}/Bitwarden CLI"),
        ),
        "developer.1password.com/docs/cli/config-directories",
        {"~/.config/op": "OP_CONFIG_DIR", "~/.config/Bitwarden CLI": "BITWARDENCLI_APPDATA_DIR"},
    ),
    Place(
        "Vault",
        ("~/.vault-token",),
        "developer.hashicorp.com/vault/docs/commands/token-helper",
    ),
    Place(
        "netrc",
        ("~/.netrc", "~/_netrc", "~/.authinfo", "~/.authinfo.gpg"),
        "everything.curl.dev/usingcurl/netrc.html",
        {"~/.netrc": "NETRC"},
    ),
    Place(
        "git",
        ("~/.git-credentials", "~/.config/git/credentials", "~/.cache/git/credential"),
        "git-scm.com/docs/git-credential-store",
    ),
    Place(
        "GitHub CLI", ("~/.config/gh",), "cli.github.com/manual", {"~/.config/gh": "GH_CONFIG_DIR"}
    ),
    Place("hub", ("~/.config/hub",), "hub.github.com/hub.1.html", {"~/.config/hub": "HUB_CONFIG"}),
    Place(
        "GitLab CLI",
        ("~/.config/glab-cli", f"{_MAC}/glab-cli"),
        "gitlab.com/gitlab-org/cli",
        {"~/.config/glab-cli": "GLAB_CONFIG_DIR"},
    ),
    Place("tea", ("~/.config/tea",), "gitea.com/gitea/tea"),
    Place(
        "AWS",
        ("~/.aws", "~/.boto", "~/.s3cfg", "~/.passwd-s3fs", "~/.mc"),
        "docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html",
        {
            "~/.aws/credentials": "AWS_SHARED_CREDENTIALS_FILE",
            "~/.aws/config": "AWS_CONFIG_FILE",
            "~/.boto": "BOTO_CONFIG",
        },
    ),
    Place(
        "Azure",
        ("~/.azure", "~/.azcopy", "~/.IdentityService", "~/.local/share/.IdentityService"),
        "learn.microsoft.com/cli/azure/azure-cli-configuration",
        {"~/.azure": "AZURE_CONFIG_DIR"},
    ),
    Place(
        "Google Cloud",
        ("~/.config/gcloud", "~/.gsutil", "~/.config/google"),
        "cloud.google.com/sdk/docs/configurations",
        {
            "~/.config/gcloud": "CLOUDSDK_CONFIG",
            "~/.config/gcloud/application_default_credentials.json": (
                "GOOGLE_APPLICATION_CREDENTIALS"
            ),
        },
    ),
    Place("Firebase", ("~/.config/configstore",), "firebase.google.com/docs/cli"),
    Place("Oracle Cloud", ("~/.oci",), "docs.oracle.com/iaas/Content/API/Concepts/sdkconfig.htm"),
    Place("IBM Cloud", ("~/.bluemix",), "cloud.ibm.com/docs/cli"),
    Place("Aliyun", ("~/.aliyun",), "www.alibabacloud.com/help/en/cli"),
    Place(
        "DigitalOcean",
        ("~/.config/doctl", f"{_MAC}/doctl"),
        "docs.digitalocean.com/reference/doctl",
    ),
    Place("Hetzner", ("~/.config/hcloud",), "github.com/hetznercloud/cli"),
    Place("Linode", ("~/.config/linode-cli",), "www.linode.com/docs/products/tools/cli"),
    Place(
        "Scaleway",
        ("~/.config/scw",),
        "www.scaleway.com/en/developers/cli/config",
        {"~/.config/scw/config.yaml": "SCW_CONFIG_PATH"},
    ),
    Place("Supabase", ("~/.supabase",), "supabase.com/docs/reference/cli"),
    Place("Doppler", ("~/.doppler",), "docs.doppler.com/docs/secrets-setup-guide"),
    Place(
        "Teleport",
        ("~/.tsh",),
        "goteleport.com/docs/reference/cli/tsh",
        {"~/.tsh": "TELEPORT_HOME"},
    ),
    Place("Fly.io", ("~/.fly",), "fly.io/docs/flyctl", {"~/.fly": "FLY_CONFIG_DIR"}),
    Place("Heroku", ("~/.config/heroku",), "devcenter.heroku.com/articles/authentication"),
    Place(
        "Netlify",
        ("~/.config/netlify", "~/.netlify", f"{_PREFERENCES}/netlify"),
        "docs.netlify.com/cli/get-started",
    ),
    Place("Railway", ("~/.railway",), "docs.railway.com/guides/cli"),
    Place(
        "Vercel",
        ("~/.local/share/com.vercel.cli", "~/.vercel", "~/.now", f"{_MAC}/com.vercel.cli"),
        "vercel.com/docs/cli/global-options",
    ),
    Place(
        "Cloudflare",
        (
            *("~/.config/.wrangler", "~/.wrangler", "~/.cloudflared", "~/.cloudflare"),
            f"{_PREFERENCES}/.wrangler",
        ),
        "developers.cloudflare.com/workers/wrangler",
    ),
    Place("Stripe", ("~/.config/stripe",), "docs.stripe.com/cli"),
    Place(
        "ngrok", ("~/.config/ngrok", "~/.ngrok2", f"{_MAC}/ngrok"), "ngrok.com/docs/agent/config"
    ),
    Place("Tailscale", ("~/.local/share/tailscale",), "tailscale.com/kb"),
    Place("Sentry", ("~/.sentryclirc",), "docs.sentry.io/cli/configuration"),
    Place(
        "Kubernetes",
        (
            *("~/.kube", "~/.config/helm", "~/.config/argocd", "~/.rancher", "~/.talos"),
            *("~/.minikube", f"{_PREFERENCES}/helm"),
        ),
        "kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig",
        {"~/.kube/config": "KUBECONFIG", "~/.config/helm": "HELM_CONFIG_HOME"},
    ),
    Place(
        "Docker",
        ("~/.docker/config.json", "~/.docker/contexts", "~/.docker/run", "~/.dockercfg"),
        "docs.docker.com/reference/cli/docker",
        {"~/.docker": "DOCKER_CONFIG"},
    ),
    Place(
        "Podman",
        ("~/.config/containers/auth.json",),
        "docs.podman.io/en/latest/markdown/podman-login.1.html",
        {"~/.config/containers/auth.json": "REGISTRY_AUTH_FILE"},
    ),
    Place(
        "Terraform, OpenTofu",
        ("~/.terraform.d", "~/.terraformrc", "~/.tofurc", "~/.config/opentofu"),
        "developer.hashicorp.com/terraform/cli/config/config-file",
        {"~/.terraformrc": "TF_CLI_CONFIG_FILE"},
    ),
    Place(
        "Pulumi",
        ("~/.pulumi/credentials.json",),
        "www.pulumi.com/docs/iac/cli/environment-variables",
        {"~/.pulumi": "PULUMI_HOME"},
    ),
    Place("Ansible", ("~/.ansible/galaxy_token", "~/.vault_pass"), "docs.ansible.com"),
    Place(
        "Rclone",
        ("~/.config/rclone", "~/.rclone.conf"),
        "rclone.org/docs/#config-string",
        {"~/.config/rclone/rclone.conf": "RCLONE_CONFIG"},
    ),
    Place("restic, borg", ("~/.config/restic", "~/.config/borg"), "borgbackup.readthedocs.io"),
    Place(
        "npm",
        ("~/.npmrc",),
        "docs.npmjs.com/cli/configuring-npm/npmrc",
        {"~/.npmrc": "NPM_CONFIG_USERCONFIG npm_config_userconfig"},
    ),
    Place(
        "Yarn, pnpm, Bun, JSR",
        (
            *("~/.yarnrc", "~/.yarnrc.yml", "~/.bunfig.toml", f"{_PREFERENCES}/pnpm"),
            *(f"~/.config/pnpm/{name}" for name in ("auth.ini", "config.yaml", "rc")),
        ),
        "yarnpkg.com/configuration/yarnrc, pnpm.io/npmrc",
    ),
    Place(
        "Python packages",
        (
            *("~/.pypirc", "~/.config/pypoetry/auth.toml", f"{_MAC}/pypoetry/auth.toml"),
            *("~/.config/hatch", "~/.local/share/uv/credentials"),
            *("~/.pip", "~/.config/pip", "~/.condarc", "~/.continuum", "~/.config/anaconda"),
        ),
        "packaging.python.org/en/latest/specifications/pypirc",
        {
            "~/.config/pip/pip.conf": "PIP_CONFIG_FILE",
            "~/.local/share/uv/credentials": "UV_CREDENTIALS_DIR",
        },
    ),
    Place(
        "Cargo",
        ("~/.cargo/credentials.toml", "~/.cargo/credentials"),
        "doc.rust-lang.org/cargo/reference/config.html#credentials",
        {"~/.cargo": "CARGO_HOME"},
    ),
    Place(
        "RubyGems, Bundler",
        ("~/.gem/credentials", "~/.local/share/gem/credentials", "~/.bundle/config"),
        "guides.rubygems.org/publishing",
        {"~/.bundle/config": "BUNDLE_USER_CONFIG"},
    ),
    Place(
        "Composer",
        ("~/.composer/auth.json", "~/.config/composer/auth.json"),
        "getcomposer.org/doc/articles/authentication-for-private-packages.md",
        {"~/.composer": "COMPOSER_HOME"},
    ),
    Place(
        "Maven",
        ("~/.m2/settings.xml", "~/.m2/settings-security.xml", "~/.m2/settings-security4.xml"),
        "maven.apache.org/guides/mini/guide-encryption.html",
    ),
    Place(
        "Gradle",
        ("~/.gradle/gradle.properties",),
        "docs.gradle.org/current/userguide/build_environment.html",
        {"~/.gradle": "GRADLE_USER_HOME"},
    ),
    Place(
        "Ivy, sbt, Leiningen",
        (
            *("~/.ivy2/.credentials", "~/.sbt/.credentials", "~/.sbt/1.0/credentials.sbt"),
            "~/.lein/credentials.clj.gpg",
        ),
        "www.scala-sbt.org/1.x/docs/Publishing.html",
    ),
    Place(
        "NuGet",
        ("~/.nuget/NuGet", "~/.config/NuGet"),
        "learn.microsoft.com/nuget/reference/nuget-config-file",
    ),
    Place("Hex", ("~/.hex",), "hex.pm/docs", {"~/.hex": "HEX_HOME"}),
    Place("Dart", ("~/.config/dart", f"{_MAC}/dart"), "dart.dev/tools/pub/cmd/pub-token"),
    Place("Swift", ("~/.config/swiftpm", "~/.swiftpm/configuration"), "docs.swift.org"),
    Place("CPAN", ("~/.pause",), "metacpan.org/pod/CPAN::Uploader"),
    Place(
        "Conan",
        ("~/.conan2/credentials.json", "~/.conan2/.conan.db"),
        "docs.conan.io",
        {"~/.conan2": "CONAN_HOME"},
    ),
    Place("JFrog", ("~/.jfrog",), "docs.jfrog.com", {"~/.jfrog": "JFROG_CLI_HOME_DIR"}),
    Place(
        "Hugging Face",
        ("~/.cache/huggingface/token", "~/.cache/huggingface/stored_tokens", "~/.huggingface"),
        "huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
        {"~/.cache/huggingface": "HF_HOME", "~/.cache/huggingface/token": "HF_TOKEN_PATH"},
    ),
    Place(
        "Kaggle",
        ("~/.kaggle", "~/.config/kaggle"),
        "www.kaggle.com/docs/api",
        {"~/.kaggle": "KAGGLE_CONFIG_DIR"},
    ),
    Place("MLflow", ("~/.mlflow/credentials",), "mlflow.org/docs/latest/api_reference"),
    Place(
        "Weights & Biases",
        ("~/.config/wandb",),
        "docs.wandb.ai/models/track/environment-variables",
        {"~/.config/wandb": "WANDB_CONFIG_DIR"},
    ),
    Place(
        "Modal, Replicate, LangSmith",
        ("~/.modal.toml", "~/.config/replicate", "~/.langsmith"),
        "modal.com/docs/reference/modal.config",
        {"~/.modal.toml": "MODAL_CONFIG_PATH"},
    ),
    Place(
        "LLM programs",
        (
            *("~/.config/io.datasette.llm", f"{_MAC}/io.datasette.llm", "~/.config/openai"),
            *("~/.openai", "~/.config/litellm"),
        ),
        "llm.datasette.io/en/stable/keys.html",
        {"~/.config/io.datasette.llm": "LLM_USER_PATH"},
    ),
    Place(
        "Databricks",
        ("~/.databrickscfg", "~/.databricks"),
        "docs.databricks.com/aws/en/dev-tools/auth/config-profiles",
        {"~/.databrickscfg": "DATABRICKS_CONFIG_FILE"},
    ),
    Place(
        "Snowflake",
        ("~/.snowflake", "~/.snowsql", "~/.config/snowflake", f"{_MAC}/snowflake"),
        "docs.snowflake.com/en/developer-guide/snowflake-cli/connecting/configure-cli",
        {"~/.snowflake": "SNOWFLAKE_HOME"},
    ),
    Place(
        "dbt",
        ("~/.dbt",),
        "docs.getdbt.com/docs/core/connect-data-platform/profiles.yml",
        {"~/.dbt": "DBT_PROFILES_DIR"},
    ),
    Place(
        "PostgreSQL",
        ("~/.pgpass", "~/.pg_service.conf", "~/.postgresql"),
        "www.postgresql.org/docs/current/libpq-pgpass.html",
        {"~/.pgpass": "PGPASSFILE", "~/.pg_service.conf": "PGSERVICEFILE"},
    ),
    Place(
        "MySQL, MariaDB",
        ("~/.my.cnf", "~/.mylogin.cnf", "~/.mysql"),
        "dev.mysql.com/doc/refman/8.4/en/option-files.html",
        {"~/.mylogin.cnf": "MYSQL_TEST_LOGIN_FILE"},
    ),
    Place(
        "MongoDB, Redis, Cassandra",
        ("~/.mongodb", "~/.mongorc.js", "~/.rediscli_auth", "~/.cassandra/credentials"),
        "www.mongodb.com/docs/mongodb-shell",
    ),
    Place(
        "Kerberos",
        ("~/.k5login", "~/.config/krb5"),
        "web.mit.edu/kerberos/krb5-latest/doc",
        {"~/.config/krb5/keytab": "KRB5_KTNAME"},
    ),
    Place(
        "mail",
        (
            *("~/.msmtprc", "~/.config/msmtp", "~/.mbsyncrc", "~/.fetchmailrc", "~/.muttrc"),
            *("~/.config/mutt", "~/.config/neomutt", "~/.thunderbird", "~/.offlineimaprc"),
            "~/.config/himalaya",
        ),
        "marlam.de/msmtp/msmtp.html",
    ),
    Place(
        "chat",
        (
            *("~/.config/Slack", "~/.config/discord", "~/.config/Signal"),
            *("~/.local/share/TelegramDesktop", "~/.irssi", "~/.config/weechat", f"{_MAC}/Slack"),
            *(f"{_MAC}/Signal", "~/.slack"),
        ),
        "docs.slack.dev/tools/slack-cli",
    ),
    Place("VPN", ("~/.config/openvpn3", "~/.cisco", "~/.wireguard"), "openvpn.net/community-docs"),
    Place(
        "jupyter",
        ("~/.jupyter/jupyter_server_config.json", "~/.local/share/jupyter/runtime"),
        "jupyter-server.readthedocs.io",
        {
            "~/.jupyter": "JUPYTER_CONFIG_DIR",
            "~/.local/share/jupyter/runtime": "JUPYTER_RUNTIME_DIR",
        },
    ),
    Place(
        "wallets",
        (
            *("~/.bitcoin", "~/.litecoin", "~/.ethereum/keystore", "~/.electrum"),
            "~/.config/solana",
            *("~/.foundry/keystores", "~/.config/Exodus", "~/.config/Ledger Live", "~/.bitmonero"),
            *("~/.config/sui", "~/.aptos", "~/.near-credentials", f"{_MAC}/Exodus"),
            *(f"{_MAC}/Bitcoin", f"{_MAC}/Ethereum", f"{_MAC}/Electrum"),
        ),
        "bitcoincore.org/en/doc",
    ),
)
"""Keys, and what signs in."""

BROWSERS = (
    Place(
        "Firefox",
        ("~/.mozilla", "~/.config/mozilla", "~/.librewolf", "~/.waterfox", f"{_MAC}/Firefox"),
        "support.mozilla.org/kb/profiles-where-firefox-stores-user-data",
    ),
    *starmap(
        _browser,
        (
            ("Chrome", "~/.config/google-chrome", "Google/Chrome", "chromium.org/user-experience"),
            ("Chromium", "~/.config/chromium", "Chromium", "chromium.org/user-experience"),
            ("Brave", "~/.config/BraveSoftware", "BraveSoftware", "support.brave.com"),
            (
                *("Edge", "~/.config/microsoft-edge", "Microsoft Edge"),
                "learn.microsoft.com/deployedge",
            ),
            ("Vivaldi", "~/.config/vivaldi", "Vivaldi", "help.vivaldi.com"),
            ("Opera", "~/.config/opera", "com.operasoftware.Opera", "help.opera.com"),
            ("Arc", "~/.config/arc", "Arc", "resources.arc.net"),
        ),
    ),
    Place(
        "macOS",
        (
            *("~/Library/Cookies", "~/Library/Safari", "~/Library/Mail", "~/Library/Messages"),
            "~/Library/Group Containers",
        ),
        "support.apple.com/guide/security/keychain-data-protection-secb0694df1a/web",
    ),
    Place(
        "Flatpak, Snap",
        ("~/.var/app", "~/snap/firefox", "~/snap/chromium", "~/snap/brave", "~/snap/thunderbird"),
        "docs.flatpak.org/en/latest/sandbox-permissions.html",
    ),
)
"""Profiles of browsers: cookies and passwords."""

HISTORIES = (
    Place(
        "shells",
        (
            *("~/.bash_history", "~/.zsh_history", "~/.zhistory", "~/.ash_history", "~/.histfile"),
            *("~/.sh_history", "~/.zsh_sessions", "~/.local/share/fish/fish_history"),
            *("~/.config/nushell/history.txt", "~/.local/share/powershell/PSReadLine"),
            *("~/.local/share/atuin", "~/.local/share/mcfly"),
        ),
        "www.gnu.org/software/bash/manual/html_node/Bash-Variables.html",
        {"~/.bash_history": "HISTFILE"},
    ),
    Place(
        "other programs",
        (
            *("~/.python_history", "~/.node_repl_history", "~/.psql_history", "~/.mysql_history"),
            *("~/.mariadb_history", "~/.sqlite_history", "~/.rediscli_history", "~/.dbshell"),
            *("~/.irb_history", "~/.ipython/profile_default/history.sqlite", "~/.lesshst"),
        ),
        "www.postgresql.org/docs/current/app-psql.html",
        {
            "~/.psql_history": "PSQL_HISTORY",
            "~/.mysql_history": "MYSQL_HISTFILE",
            "~/.python_history": "PYTHON_HISTORY",
            "~/.node_repl_history": "NODE_REPL_HISTORY",
            "~/.ipython": "IPYTHONDIR",
        },
    ),
)
"""What was typed, which often has keys in it."""

AGENTS = (
    Place(
        "Claude Code",
        ("~/.claude", "~/.claude.json", "~/.config/claude", "~/.config/Claude", f"{_MAC}/Claude"),
        "code.claude.com/docs/en/settings",
        {"~/.claude": "CLAUDE_CONFIG_DIR"},
    ),
    Place("Codex", ("~/.codex",), "developers.openai.com/codex", {"~/.codex": "CODEX_HOME"}),
    Place("Gemini CLI", ("~/.gemini",), "geminicli.com/docs", {"~": "GEMINI_CLI_HOME"}),
    Place(
        "Qwen Code",
        ("~/.qwen",),
        "qwenlm.github.io/qwen-code-docs",
        {"~/.qwen": "QWEN_HOME QWEN_RUNTIME_DIR"},
    ),
    Place(
        "Copilot",
        ("~/.copilot", "~/.config/github-copilot"),
        "docs.github.com/copilot/reference/copilot-cli-reference/cli-config-dir-reference",
        {"~/.copilot": "COPILOT_HOME"},
    ),
    Place(
        "opencode",
        ("~/.local/share/opencode", "~/.config/opencode"),
        "opencode.ai/docs/config",
        {"~/.config/opencode": "OPENCODE_CONFIG_DIR"},
    ),
    Place(
        "Cline, Roo",
        ("~/.cline", "~/.roo"),
        "docs.cline.bot/getting-started/config",
        {"~/.cline": "CLINE_DIR", "~/.cline/data": "CLINE_DATA_DIR"},
    ),
    Place(
        "Mistral Vibe", ("~/.vibe",), "github.com/mistralai/mistral-vibe", {"~/.vibe": "VIBE_HOME"}
    ),
    Place(
        "Cursor",
        ("~/.cursor", "~/.config/Cursor", "~/.config/cursor", f"{_MAC}/Cursor"),
        "cursor.com/docs/cli",
    ),
    Place(
        "Kiro",
        ("~/.kiro", "~/.local/share/kiro-cli", "~/.config/Kiro", f"{_MAC}/kiro-cli"),
        "docs.docker.com/ai/sandboxes/agents/kiro",
    ),
    Place(
        "Amazon Q",
        ("~/.local/share/amazon-q", f"{_MAC}/amazon-q"),
        "docs.aws.amazon.com/amazonq",
    ),
    Place(
        "goose",
        ("~/.config/goose", "~/.local/share/goose", "~/.local/state/goose", f"{_MAC}/Block"),
        "block.github.io/goose/docs/guides/config-files",
        {"~/.goose": "GOOSE_PATH_ROOT"},
    ),
    Place(
        "aider",
        ("~/.aider", "~/.aider.conf.yml", "~/.aider.chat.history.md", "~/.aider.input.history"),
        "aider.chat/docs/config/aider_conf.html",
    ),
    Place(
        "Continue", ("~/.continue",), "docs.continue.dev", {"~/.continue": "CONTINUE_GLOBAL_DIR"}
    ),
    Place(
        "Windsurf",
        ("~/.codeium", "~/.windsurf", "~/.config/Windsurf", f"{_MAC}/Windsurf"),
        "docs.windsurf.com",
    ),
    Place(
        "Kimi",
        ("~/.kimi", "~/.kimi-code"),
        "moonshotai.github.io/kimi-code/en/configuration/data-locations.html",
        {"~/.kimi": "KIMI_SHARE_DIR", "~/.kimi-code": "KIMI_CODE_HOME"},
    ),
    Place("Amp", ("~/.config/amp", "~/.local/share/amp", "~/.amp"), "ampcode.com/manual"),
    Place("Crush", ("~/.config/crush", "~/.local/share/crush"), "github.com/charmbracelet/crush"),
    Place("Auggie", ("~/.augment",), "docs.augmentcode.com/cli"),
    Place("Factory Droid", ("~/.factory",), "docs.factory.ai"),
    Place("Junie", ("~/.junie",), "junie.jetbrains.com/docs"),
    Place("OpenHands", ("~/.openhands",), "docs.openhands.dev"),
    Place("Grok", ("~/.grok",), "docs.x.ai"),
    Place("iFlow", ("~/.iflow",), "platform.iflow.cn/en/cli"),
    Place("Pi", ("~/.pi",), "github.com/badlogic/pi-mono", {"~/.pi/agent": "PI_CODING_AGENT_DIR"}),
    Place(
        "Hermes", ("~/.hermes",), "hermes-agent.nousresearch.com/docs", {"~/.hermes": "HERMES_HOME"}
    ),
    Place("OpenClaw", ("~/.openclaw", "~/.clawdbot"), "docs.openclaw.ai"),
    Place("Trae", ("~/.trae", "~/.config/Trae", f"{_MAC}/Trae"), "docs.trae.ai"),
    Place("Zed", ("~/.local/share/zed", "~/.config/zed", f"{_MAC}/Zed"), "zed.dev/docs"),
    Place(
        "Visual Studio Code",
        ("~/.config/Code", "~/.config/VSCodium", "~/.vscode-server/data", f"{_MAC}/Code"),
        "code.visualstudio.com/docs/configure/settings",
    ),
    Place("signedin", ("~/.signedin",), "docs/security.md", {"~/.signedin": "SIGNEDIN_HOME"}),
)
"""What other agents and editors store: logins, conversations, settings."""

GROUPS: Mapping[str, tuple[Place, ...]] = MappingProxyType(
    {
        "Keys and logins": KEYS,
        "Browsers and mail": BROWSERS,
        "Histories": HISTORIES,
        "Other agents": AGENTS,
    }
)
"""All places, by what they are."""

PLACES = tuple(place for group in GROUPS.values() for place in group)

_NAMES = tuple(
    dict.fromkeys(
        name
        for names in (*XDG.values(), *(each for place in PLACES for each in place.moved.values()))
        for name in names.split()
    )
)


def places_by(env: Mapping[str, str], home: str) -> tuple[tuple[str, ...], ...]:
    """Returns where each of the places is.

    Args:
        env: The variables that may say so.
        home: What ``~`` is.
    """
    return _places(home, tuple(env.get(name) for name in _NAMES))


@lru_cache(maxsize=8)  # every turn asks
def _places(home: str, values: tuple[str | None, ...]) -> tuple[tuple[str, ...], ...]:
    env = {name: value for name, value in zip(_NAMES, values, strict=True) if value}
    return tuple(tuple(place.found_by(env, home)) for place in PLACES)
