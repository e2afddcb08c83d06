/* SPDX-License-Identifier: MIT */
/*
 * `monitor COMMAND' (qRcmd).  What gdbserver has answers in gdbserver's words,
 * which people and test suites know; the rest is ours.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/monitor.h"
#include "stub/session.h"
#include "stub/view.h"

#define COMMAND_MAX 4096u

/* The commands, in the order of help; NULL after the last. */
static const struct monitor *command_at(size_t i);

static void list_commands(bool ours, struct buf *out)
{
	const struct monitor *m;

	for (size_t i = 0; (m = command_at(i)); i++) {
		if (m->ours != ours || !m->help)
			continue;
		buf_printf(out, "  %s%s%s\n", m->name, *m->args ? " " : "", m->args);
		buf_printf(out, "    %s\n", m->help);
	}
}

/* gdbserver's list comes last and whole: its test suite compares the end. */
static struct err *run_help(struct session *s, const char *args, struct buf *out)
{
	(void)s;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "help takes no argument");
	buf_puts(out, "Commands of archerfish:\n");
	list_commands(true, out);
	buf_puts(out, "\nThe following monitor commands are supported:\n");
	list_commands(false, out);
	return NULL;
}

static struct err *run_exit(struct session *s, const char *args, struct buf *out)
{
	(void)out;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "exit takes no argument");
	s->end = SESSION_QUIT;
	return NULL;
}

/* "1" or "0", and nothing else. */
static struct err *parse_switch(const char *args, bool *ret)
{
	if (strcmp(args, "0") != 0 && strcmp(args, "1") != 0)
		return err_new(ERR_UNSUPPORTED, "neither 0 nor 1");
	*ret = args[0] == '1';
	return NULL;
}

static struct err *set_debug(struct session *s, const char *args, enum debug_what what,
			     const char *subject, struct buf *out)
{
	bool on;
	struct err *err = parse_switch(args, &on);
	if (err)
		return err;
	s->debug = on ? s->debug | (unsigned int)what : s->debug & ~(unsigned int)what;
	buf_printf(out, "%s output %s.\n", subject, on ? "enabled" : "disabled");
	return NULL;
}

static struct err *run_set_debug(struct session *s, const char *args, struct buf *out)
{
	return set_debug(s, args, DEBUG_GENERAL, "Debug", out);
}

static struct err *run_set_points(struct session *s, const char *args, struct buf *out)
{
	return set_debug(s, args, DEBUG_POINTS, "H/W point debugging", out);
}

static struct err *run_set_events(struct session *s, const char *args, struct buf *out)
{
	return set_debug(s, args, DEBUG_EVENTS, "Event loop debug", out);
}

static struct err *run_set_remote(struct session *s, const char *args, struct buf *out)
{
	return set_debug(s, args, DEBUG_PACKETS, "Protocol debug", out);
}

static struct err *set_format(struct session *s, const char *word, size_t len, struct buf *out)
{
	if (!options_debug_format(word, len, &s->debug_timestamp))
		return err_new(ERR_UNSUPPORTED, "Unknown debug-format argument: \"%.*s\"", (int)len,
			       word);
	if (word[0] == 't')
		buf_puts(out, "Timestamps will be added to debug output.\n");
	else
		buf_printf(out, "All extra debug format options %s.\n",
			   s->debug_timestamp ? "enabled" : "disabled");
	return NULL;
}

static struct err *run_set_format(struct session *s, const char *args, struct buf *out)
{
	struct err *err = NULL;

	if (!*args)
		return err_new(ERR_UNSUPPORTED, "debug-format takes an argument");
	while (*args && !err) {
		size_t len = strcspn(args, ",");
		if (len)
			err = set_format(s, args, len, out);
		args += len + (args[len] == ',');
	}
	return err;
}

static struct err *run_set_virtual(struct session *s, const char *args, struct buf *out)
{
	bool on = strcmp(args, "on") == 0;

	if (!on && strcmp(args, "off") != 0)
		return err_new(ERR_UNSUPPORTED, "neither on nor off");
	if (!s->view || !s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (!view_is_possible(s))
		return err_new(ERR_STATE, "they are made for x86-64 and AArch64 only");
	view_switch(s, on);
	buf_printf(out, "Virtual threads for Python are %s.\n", args);
	return NULL;
}

static struct err *run_set_mixed(struct session *s, const char *args, struct buf *out)
{
	bool on = strcmp(args, "on") == 0;

	if (!on && strcmp(args, "off") != 0)
		return err_new(ERR_UNSUPPORTED, "neither on nor off");
	if (!s->view || !s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (!view_can_mix(s))
		return err_new(ERR_STATE, "they are made for x86-64 only");
	view_mix(s, on);
	buf_printf(out,
		   "Python frames in the stacks of real threads are %s, from the next stop on.\n",
		   args);
	return NULL;
}

/* gdbserver's way to threads; ours needs no library, and scripts set it all the same. */
static struct err *run_set_thread_db(struct session *s, const char *args, struct buf *out)
{
	(void)s;
	buf_puts(out, "libthread-db-search-path set to `");
	buf_puts(out, *args ? args : "$sdir:$pdir");
	buf_puts(out, "'\n");
	return NULL;
}

static bool count_thread(pid_t tid, void *arg)
{
	(void)tid;
	++*(size_t *)arg;
	return true;
}

static struct err *run_status(struct session *s, const char *args, struct buf *out)
{
	struct target *t = s->target;
	size_t threads = 0;
	_cleanup_buf_ struct buf path = { 0 };

	if (*args)
		return err_new(ERR_UNSUPPORTED, "status takes no argument");
	if (t->pid <= 0) {
		buf_puts(out, "No process.\n");
		return NULL;
	}
	struct err *err = t->ops->exec_file(t, &path);
	err_drop(err); /* a process without a name is one all the same */
	err = t->ops->threads(t, count_thread, &threads);
	if (err)
		return err;
	buf_printf(out, "Process %d (%s target, %s): ", t->pid, t->ops->name,
		   t->attached ? "attached" : "created");
	buf_put(out, path.data, path.len);
	buf_printf(out, "\n%zu thread%s; current %d; stops so far %llu%s\n", threads,
		   threads == 1 ? "" : "s", session_shown_thread(s), (unsigned long long)t->stops,
		   s->options->read_only ? "; read-only" : "");
	monitor_put_safety(s, out);
	return NULL;
}

/* clang-format off */
static const struct monitor general[] = {
	{ "set debug", "<0|1>",
	  "Enable general debugging messages", false, run_set_debug },
	{ "set debug-hw-points", "<0|1>",
	  "Enable h/w breakpoint/watchpoint debugging messages", false, run_set_points },
	{ "set remote-debug", "<0|1>",
	  "Enable remote protocol debugging messages", false, run_set_remote },
	{ "set event-loop-debug", "<0|1>",
	  "Enable event loop debugging messages", false, run_set_events },
	{ "set debug-format", "option1[,option2,...]",
	  "Add additional information to debugging messages\n"
	  "    Options: all, none, timestamp", false, run_set_format },
	{ "exit", "",
	  "Quit GDBserver", false, run_exit },
	{ "help", "", NULL, false, run_help },
	{ "set libthread-db-search-path", "", NULL, false, run_set_thread_db },
	{ "set mixed", "<on|off>",
	  "Show Python frames in the stacks of real threads", true, run_set_mixed },
	{ "set virtual-threads", "<on|off>",
	  "Show a thread more for each that runs Python", true, run_set_virtual },
	{ "status", "",
	  "Say what is being debugged", true, run_status },
};
/* clang-format on */

static const struct monitor *command_at(size_t i)
{
	size_t n = sizeof(general) / sizeof(general[0]);
	if (i < n)
		return &general[i];
	i -= n;
	if (i < monitor_npython)
		return &monitor_python[i];
	i -= monitor_npython;
	if (i < monitor_nbreaks)
		return &monitor_breaks[i];
	i -= monitor_nbreaks;
	if (i < monitor_nunwind)
		return &monitor_unwind[i];
	i -= monitor_nunwind;
	if (i < monitor_njs)
		return &monitor_js[i];
	i -= monitor_njs;
	return i < monitor_nact ? &monitor_act[i] : NULL;
}

/* The command whose name the line begins with; *args is what follows it. */
static const struct monitor *find_command(const char *line, const char **args)
{
	const struct monitor *m;

	for (size_t i = 0; (m = command_at(i)); i++) {
		size_t len = strlen(m->name);
		if (strncmp(line, m->name, len) == 0 && (line[len] == ' ' || !line[len])) {
			*args = line + len + strspn(line + len, " ");
			return m;
		}
	}
	return NULL;
}

static struct err *parse_line(struct rsp_cursor *args, char line[COMMAND_MAX])
{
	if (!cur_char(args, ','))
		return err_new(ERR_PROTO, "malformed qRcmd");
	size_t len = cur_left(args) / 2;
	if (len >= COMMAND_MAX)
		return err_new(ERR_PROTO, "a command of %zu characters", len);
	if (!cur_hexbytes(args, line, len) || !cur_end(args) || memchr(line, '\0', len))
		return err_new(ERR_PROTO, "malformed qRcmd");
	while (len && line[len - 1] == ' ')
		len--;
	line[len] = '\0';
	return NULL;
}

/* What was asked for is not a command: gdbserver's words, and an error after them. */
static void say_unknown(struct session *s, const struct err *err, struct buf *text)
{
	buf_clear(text);
	if (err && strncmp(err->msg, "Unknown", 7) == 0)
		buf_printf(text, "%s\n", err->msg);
	else
		buf_puts(text, "Unknown monitor command.\n\n");
	struct err *none = run_help(s, "", text);
	err_drop(none); /* it has no way to fail */
}

HANDLER(h_rcmd)
{
	struct session *s = session;
	session_select_shown(s);
	char line[COMMAND_MAX];
	const char *rest;
	_cleanup_buf_ struct buf text = { 0 };
	struct err *err = parse_line(args, line);
	bool unknown;

	if (err)
		return err;
	const char *start = line + strspn(line, " ");
	const struct monitor *m = find_command(start, &rest);
	if (m)
		err = m->run(s, rest, &text);
	unknown = !m || (err && err->code == ERR_UNSUPPORTED);
	if (unknown)
		say_unknown(s, err, &text);
	else if (err)
		buf_printf(&text, "%s\n", err->msg); /* older clients show no text of an error */
	err_drop(err);
	if (text.failed)
		return &err_nomem;
	session_print(s, text.data, text.len);
	buf_puts(out, unknown ? "E01" : "OK");
	return NULL;
}
