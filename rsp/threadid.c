/* SPDX-License-Identifier: MIT */
#include "rsp/threadid.h"

#include <limits.h>

static bool parse_number(struct rsp_cursor *c, pid_t *ret)
{
	struct rsp_cursor at = *c;
	uint64_t v;

	if (cur_literal(c, "-1")) {
		*ret = RSP_ALL;
		return true;
	}
	if (!cur_hex(&at, &v) || v > INT_MAX)
		return false;
	*c = at;
	*ret = (pid_t)v;
	return true;
}

bool rsp_thread_id_parse(struct rsp_cursor *c, struct rsp_thread_id *ret)
{
	struct rsp_cursor at = *c;
	struct rsp_thread_id id = { RSP_ANY, RSP_ALL };

	if (cur_char(&at, 'p')) {
		if (!parse_number(&at, &id.pid) ||
		    (cur_char(&at, '.') && !parse_number(&at, &id.tid)))
			return false;
	} else if (!parse_number(&at, &id.tid)) {
		return false;
	}
	*c = at;
	*ret = id;
	return true;
}

void rsp_thread_id_write(struct buf *out, bool multiprocess, pid_t pid, pid_t tid)
{
	if (multiprocess)
		buf_printf(out, "p%x.%x", (unsigned int)pid, (unsigned int)tid);
	else
		buf_printf(out, "%x", (unsigned int)tid);
}
