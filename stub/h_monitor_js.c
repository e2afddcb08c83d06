/* SPDX-License-Identifier: MIT */
/* `monitor js-bt': the text is that of qxfer/js.h. */
#include "qxfer/js.h"
#include "stub/monitor.h"
#include "stub/session.h"

static struct err *run_js_bt(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	if (!s->v8)
		return err_new(ERR_STATE, "there is no memory for JavaScript's stacks");
	struct err *err = target_space(s->target, &space);
	return err ? err : js_bt_text(s->v8, space, session_shown_thread(s), args, out);
}

const struct monitor monitor_js[] = {
	{ "js-bt", "[all] [full] [native] [THREAD]", "Print the JavaScript stack", true,
	  run_js_bt },
};
const size_t monitor_njs = sizeof(monitor_js) / sizeof(monitor_js[0]);
