"""The proxy that requests to OpenAI go through."""

from __future__ import annotations

from urllib.parse import urlsplit

from signedin.model.errors import SignedinError


def proxy_for(url: str) -> str | None:
    """Returns the proxy that the environment or the system names for an address.

    The lookups of the HTTP clients differ: that of aiohttp would also read ``~/.netrc``, and fail
    if it is malformed, that of httpx2 takes proxies it has no library for.

    Raises:
        SignedinError: It is not an HTTP proxy.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - 20 ms, for HTTP only

    parts = urlsplit(url)
    if parts.scheme != "https" or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or "://" not in proxy:
        return proxy and f"http://{proxy}"
    scheme, _, place = proxy.partition("://")
    if scheme.lower() not in ("http", "https"):
        shown = f"{scheme}://{place.rpartition('@')[2]}"  # without a password
        raise SignedinError(
            f"the proxy {shown} is not an HTTP proxy, and others are not supported; set "
            "HTTPS_PROXY to an HTTP proxy"
        )
    return proxy
