/* SPDX-License-Identifier: MIT */
/* `monitor py-...': the texts are those of qxfer/python.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "stub/monitor.h"
#include "stub/session.h"
#include "stub/source.h"

#define LIST_AROUND 5	  /* lines before the current one, and after it */
#define LIST_MORE   10	  /* lines after one that was asked for */
#define LIST_MAX    10000 /* lines */

static struct err *python_space(struct session *s, const struct space **ret)
{
	if (!s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	return target_space(s->target, ret);
}

/* The thread that the user looks at and the frame chosen in it. */
static struct err *look(struct session *s, struct py_quotes *quotes, struct python_view *ret)
{
	struct err *err = python_space(s, &ret->space);
	ret->py = s->python;
	ret->tid = session_shown_thread(s);
	ret->frame = choice_get(&s->choices, s->target->stops, ret->tid);
	ret->quotes = quotes;
	return err;
}

/* Files are not for a client that may not have them. */
static void open_source(struct session *s, struct source *ret)
{
	if (s->options->no_host_io)
		*ret = (struct source){ .root = -1, .cwd = -1 };
	else
		source_open(ret, s->target);
}

/* Appends what @text writes, and the source lines that belong to it. */
static struct err *print_with_lines(struct session *s, const char *args, struct buf *out,
				    struct err *(*text)(const struct python_view *view,
							const char *args, struct buf *out))
{
	struct py_quotes quotes = { 0 };
	_cleanup_buf_ struct buf plain = { 0 };
	struct python_view view;
	struct err *err = look(s, &quotes, &view);
	if (!err)
		err = text(&view, args, &plain);
	if (!err) {
		struct source source;
		open_source(s, &source);
		const struct py_quote_source from = source_lines(&source);
		py_quotes_put(&quotes, &plain, &from, out);
		source_close(&source);
	}
	py_quotes_deinit(&quotes);
	return err;
}

static struct err *run_py_bt(struct session *s, const char *args, struct buf *out)
{
	return print_with_lines(s, args, out, python_bt_text);
}

static struct err *run_py_bt_full(struct session *s, const char *args, struct buf *out)
{
	return print_with_lines(s, args, out, python_bt_full_text);
}

static struct err *run_py_exc(struct session *s, const char *args, struct buf *out)
{
	return print_with_lines(s, args, out, python_exc_text);
}

static struct err *run_py_locals(struct session *s, const char *args, struct buf *out)
{
	struct python_view view;
	struct err *err = look(s, NULL, &view);
	return err ? err : python_locals_text(&view, args, out);
}

static struct err *run_py_print(struct session *s, const char *args, struct buf *out)
{
	struct python_view view;
	struct err *err = look(s, NULL, &view);
	return err ? err : python_print_text(&view, args, out);
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

/* ---- the chosen frame ---- */

/* A number of digits alone, not more than INT32_MAX; -1: it is none. */
static int64_t parse_number(const char *text, size_t len)
{
	int64_t v = 0;
	if (!len || len > 10 || strspn(text, "0123456789") < len)
		return -1;
	for (size_t i = 0; i < len; i++)
		v = v * 10 + (text[i] - '0');
	return v <= INT32_MAX ? v : -1;
}

static struct err *frame_text(const struct python_view *view, const char *args, struct buf *out)
{
	(void)args;
	return python_frame_text(view, out);
}

static struct err *show_frame(struct session *s, const struct python_view *view, size_t frame,
			      struct buf *out)
{
	size_t was = view->frame;
	choice_set(&s->choices, s->target->stops, view->tid, frame);
	struct err *err = print_with_lines(s, "", out, frame_text);
	if (err)
		choice_set(&s->choices, s->target->stops, view->tid, was);
	return err;
}

static struct err *move(struct session *s, const char *args, int sign, struct buf *out)
{
	struct python_view view;
	size_t frame;
	int64_t by = *args ? parse_number(args, strlen(args)) : 1;
	if (by < 1)
		return err_new(ERR_BAD_DATA, "%s takes a number of frames, not %.40s",
			       sign > 0 ? "py-up" : "py-down", args);
	struct err *err = look(s, NULL, &view);
	if (!err)
		err = python_frame_move(&view, sign * by, &frame);
	return err ? err : show_frame(s, &view, frame, out);
}

static struct err *run_py_up(struct session *s, const char *args, struct buf *out)
{
	return move(s, args, 1, out);
}

static struct err *run_py_down(struct session *s, const char *args, struct buf *out)
{
	return move(s, args, -1, out);
}

static struct err *run_py_frame(struct session *s, const char *args, struct buf *out)
{
	struct python_view view;
	int64_t n = *args ? parse_number(args, strlen(args)) : 0;
	if (n < 0)
		return err_new(ERR_BAD_DATA, "py-frame takes the number of a frame, not %.40s",
			       args);
	struct err *err = look(s, NULL, &view);
	return err ? err : show_frame(s, &view, *args ? (size_t)n : view.frame, out);
}

/* ---- py-list ---- */

struct list_range {
	int64_t first, last;
};

/* "", "START" or "START,END", as libpython.py has it. */
static struct err *parse_range(const char *args, int64_t line, struct list_range *ret)
{
	size_t len = strspn(args, "0123456789");
	const char *rest = args + len + strspn(args + len, " ");
	*ret = (struct list_range){ line - LIST_AROUND > 1 ? line - LIST_AROUND : 1,
				    line + LIST_AROUND };
	if (!*args)
		return NULL;
	ret->first = parse_number(args, len);
	ret->last = ret->first + LIST_MORE;
	if (*rest == ',') {
		rest++;
		rest += strspn(rest, " ");
		ret->last = parse_number(rest, strlen(rest));
	} else if (*rest) {
		ret->last = -1;
	}
	if (ret->first < 0 || ret->last < 0)
		return err_new(ERR_BAD_DATA, "py-list takes START or START,END, not %.40s", args);
	if (ret->first < 1)
		ret->first = 1;
	if (ret->last > ret->first + LIST_MAX - 1)
		ret->last = ret->first + LIST_MAX - 1;
	return NULL;
}

static void put_number(int64_t n, int32_t line, struct buf *out)
{
	char number[24];
	snprintf(number, sizeof(number), "%s%" PRId64, n == line ? ">" : "", n);
	buf_printf(out, "%4s    ", number);
}

static void put_range(const struct source_file *f, int32_t line, struct list_range r,
		      struct buf *out)
{
	for (int64_t n = r.first; n <= r.last; n++) {
		size_t start = out->len;
		put_number(n, line, out);
		if (!source_line(f, (int32_t)n, out)) {
			out->len = start;
			return;
		}
		buf_puts(out, "\n");
	}
}

/* Of code that came from no file: the program may have its text all the same. */
static struct err *list_memory(const struct python_view *view, const struct python_place *at,
			       const struct list_range *range, struct buf *out)
{
	_cleanup_buf_ struct buf lines = { 0 };
	struct err *err = python_place_lines(view, at, range->first, range->last, &lines);
	size_t start = 0;
	if (!err && lines.failed)
		err = &err_nomem;
	for (int64_t n = range->first; !err && start < lines.len; n++) {
		size_t end = start;
		while (lines.data[end] != '\n')
			end++;
		put_number(n, at->line, out);
		buf_put(out, lines.data + start, ++end - start);
		start = end;
	}
	return err;
}

static struct err *list_file(struct session *s, const struct python_place *at,
			     const struct list_range *range, struct buf *out)
{
	struct source source;
	struct err *err = NULL;
	if (s->options->no_host_io)
		return err_new(ERR_STATE,
			       "Unable to open %.60s: files are not served (--no-host-io)",
			       at->file);
	open_source(s, &source);
	const struct source_file *f = source_file(&source, at->file);
	if (!f)
		err = &err_nomem;
	else if (f->os_errno)
		err = err_new(ERR_NOT_FOUND, "Unable to open %.80s: %s", at->file,
			      strerror(f->os_errno));
	else if (range->first > (int64_t)f->nlines)
		err = err_new(ERR_NOT_FOUND, "%.80s has only %zu lines", at->file, f->nlines);
	else
		put_range(f, at->line, *range, out);
	source_close(&source);
	return err;
}

static struct err *run_py_list(struct session *s, const char *args, struct buf *out)
{
	struct python_view view;
	struct python_place at;
	struct list_range range;
	struct err *err = look(s, NULL, &view);
	if (!err)
		err = python_frame_place(&view, &at);
	if (!err && at.line < 0 && !*args)
		err = err_new(ERR_NOT_FOUND, "the current line of %.60s is not known", at.name);
	if (!err)
		err = parse_range(args, at.line, &range);
	if (err)
		return err;
	return *at.file == '<' ? list_memory(&view, &at, &range, out)
			       : list_file(s, &at, &range, out);
}

static struct err *run_py_locks(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-locks takes no argument");
	struct err *err = python_space(s, &space);
	return err ? err : python_locks_text(s->python, space, out);
}

static struct err *run_py_tasks(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-tasks takes no argument");
	struct err *err = python_space(s, &space);
	return err ? err : python_tasks_text(s->python, space, 0, out);
}

/* clang-format off */
const struct monitor monitor_python[] = {
	{ "py-bt", "[all|full|native|THREAD]",
	  "Print the Python stack of the current thread, of all, or of one;\n"
	  "    native: with the C frames, where they ran", true, run_py_bt },
	{ "py-bt-full", "",
	  "Print the Python stack of the current thread with the variables of each frame",
	  true, run_py_bt_full },
	{ "py-exc", "",
	  "Print the exceptions being raised and handled, with tracebacks", true, run_py_exc },
	{ "py-up", "[N]",
	  "Go to an older Python frame", true, run_py_up },
	{ "py-down", "[N]",
	  "Go to a newer Python frame", true, run_py_down },
	{ "py-frame", "[FRAME]",
	  "Go to a Python frame, 0 is the innermost", true, run_py_frame },
	{ "py-list", "[START[,END]]",
	  "Print the source around the Python frame's current line", true, run_py_list },
	{ "py-locals", "[FRAME]",
	  "Print the variables of the Python frame, or of another", true, run_py_locals },
	{ "py-print", "[-f FRAME] EXPR",
	  "Print a variable of the Python frame, its attributes, items, slices", true,
	  run_py_print },
	{ "py-locks", "",
	  "Print which thread waits for which lock, who holds it, and deadlocks", true, run_py_locks },
	{ "py-tasks", "",
	  "Print asyncio's tasks as a tree: what each waits for", true, run_py_tasks },
	{ "py-threads", "",
	  "List the Python threads", true, run_py_threads },
};
/* clang-format on */
const size_t monitor_npython = sizeof(monitor_python) / sizeof(monitor_python[0]);
