#!/usr/bin/python3
"""Writes a ZIM file from JSON on stdin: {"pages": [{"path", "title", "body", "type"?}], "names": {"name": "path"}}.

    make_zim.py OUT.zim < description.json
"""

import json
import sys

from libzim.writer import Creator, Hint, Item, StringProvider


class Page(Item):
    def __init__(self, page):
        super().__init__()
        self.page = page

    def get_path(self):
        return self.page["path"]

    def get_title(self):
        return self.page.get("title", "")

    def get_mimetype(self):
        return self.page.get("type", "text/html")

    def get_contentprovider(self):
        return StringProvider(self.page["body"])

    def get_hints(self):
        return {Hint.FRONT_ARTICLE: True}


description = json.load(sys.stdin)
with Creator(sys.argv[1]).config_indexing(False, "eng") as creator:
    creator.set_mainpath(description["pages"][0]["path"])
    for page in description["pages"]:
        creator.add_item(Page(page))
    for name, path in description.get("names", {}).items():
        creator.add_redirection(name, name, path, {})
    for name, value in {"Title": "A test", "Description": "pages", "Language": "eng", "Name": "t", "Creator": "c", "Publisher": "p", "Date": "2026-01-01"}.items():
        creator.add_metadata(name, value)
