/* SPDX-License-Identifier: MIT */
/* `monitor py-...': the texts are those of qxfer/python.h. */
#include "qxfer/python.h"
#include "stub/monitor.h"
#include "stub/session.h"

static struct err *python_space(struct session *s, const struct space **ret)
{
	if (!s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	return target_space(s->target, ret);
}

static struct err *run_py_bt(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	struct err *err = python_space(s, &space);
	return err ? err : python_bt_text(s->python, space, session_shown_thread(s), args, out);
}

static struct err *run_py_locals(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	struct err *err = python_space(s, &space);
	return err ? err : python_locals_text(s->python, space, session_shown_thread(s), args, out);
}

static struct err *run_py_threads(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	struct err *err = python_space(s, &space);
	if (*args) {
		err_drop(err);
		return err_new(ERR_UNSUPPORTED, "py-threads takes no argument");
	}
	return err ? err : python_threads_text(s->python, space, session_shown_thread(s), out);
}

/* clang-format off */
const struct monitor monitor_python[] = {
	{ "py-bt", "[all|full|THREAD]",
	  "Print the Python stack of the current thread, of all, or of one", true, run_py_bt },
	{ "py-locals", "[FRAME]",
	  "Print the variables of a Python frame, 0 is the innermost", true, run_py_locals },
	{ "py-threads", "",
	  "List the Python threads", true, run_py_threads },
};
/* clang-format on */
const size_t monitor_npython = sizeof(monitor_python) / sizeof(monitor_python[0]);
