/* SPDX-License-Identifier: MIT */
#include "qxfer/request.h"

#include <string.h>

#include "rsp/threadid.h"

#define SHOWN 40 /* characters of what is wrong */

static int shown(size_t len)
{
	return len < SHOWN ? (int)len : SHOWN;
}

static struct err *parse_option(const char *object, unsigned int allowed, const char *text,
				size_t len, struct request *r)
{
	static const struct {
		const char *name;
		unsigned int option; /* 0: a form */
		bool json;
	} options[] = {
		{ "locals", REQUEST_LOCALS, false },
		{ "native", REQUEST_NATIVE, false },
		{ "format=json", 0, true },
		{ "format=xml", 0, false },
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strlen(options[i].name) != len || memcmp(options[i].name, text, len) != 0 ||
		    (options[i].option & ~allowed))
			continue;
		if (options[i].option)
			r->options |= options[i].option;
		else
			r->json = options[i].json;
		return NULL;
	}
	return err_new(ERR_PROTO, "%s: unknown option %.*s", object, shown(len), text);
}

static struct err *parse_thread(const char *object, const char *text, size_t len, struct request *r)
{
	struct rsp_cursor c = { .p = text, .end = text + len };
	struct rsp_thread_id id;
	if (!len)
		return NULL;
	if (!rsp_thread_id_parse(&c, &id) || c.p != c.end)
		return err_new(ERR_PROTO, "%s: malformed thread id %.*s", object, shown(len), text);
	r->tid = id.tid == RSP_ALL ? RSP_ANY : id.tid;
	return NULL;
}

struct err *request_parse(const char *object, unsigned int allowed, const char *annex,
			  struct request *ret)
{
	struct request r = { 0 };
	size_t len = strcspn(annex, ";");
	struct err *err = parse_thread(object, annex, len, &r);
	for (annex += len; !err && *annex == ';'; annex += len) {
		annex++;
		len = strcspn(annex, ";");
		err = parse_option(object, allowed, annex, len, &r);
	}
	if (!err)
		*ret = r;
	return err;
}
