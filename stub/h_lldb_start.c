/* SPDX-License-Identifier: MIT */
/*
 * Starting and attaching as lldb asks for it, and the processes that it may choose from.
 * lldb's docs/resources/lldbgdbremote.md describes the packets.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qxfer/host.h"
#include "stub/await.h"
#include "stub/handlers.h"
#include "stub/start.h"

/* ---- how it is done ---- */

static struct err *set_text(struct rsp_cursor *args, char **field, struct buf *out)
{
	char *text = cur_char(args, ':') ? start_parse_text(args) : NULL;

	struct err *err = text ? start_set_text(field, text)
			       : err_new(ERR_PROTO, "malformed hexadecimal text");
	free(text);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_set_stdin)
{
	return set_text(args, &((struct session *)session)->start->io[0], out);
}

HANDLER(h_set_stdout)
{
	return set_text(args, &((struct session *)session)->start->io[1], out);
}

HANDLER(h_set_stderr)
{
	return set_text(args, &((struct session *)session)->start->io[2], out);
}

/* QSetDetachOnError: what we do when a client is lost does not depend on it.  QLaunchArch. */
HANDLER(h_launch_hint)
{
	(void)session;
	(void)args;
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_working_dir)
{
	const struct session *s = session;
	char path[PATH_MAX];
	(void)args;

	const char *cwd = s->start->cwd ? s->start->cwd : getcwd(path, sizeof(path));
	if (!cwd)
		return err_os("asking for the working directory");
	buf_put_hex(out, cwd, strlen(cwd));
	return NULL;
}

/* ---- A: LEN,INDEX,HEX,LEN,INDEX,HEX... ---- */

static struct err *parse_decimal(struct rsp_cursor *c, uint64_t max, uint64_t *ret)
{
	const char *start = c->p;

	*ret = 0;
	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && *ret <= max)
		*ret = *ret * 10 + (uint64_t)(*c->p++ - '0');
	if (c->p == start || *ret > max || !cur_char(c, ','))
		return err_new(ERR_PROTO, "malformed A");
	return NULL;
}

/* The words come in order, each as long as it says. */
static struct err *parse_word(struct rsp_cursor *args, size_t n, char **ret)
{
	uint64_t len, index;
	struct rsp_cursor one;

	struct err *err = parse_decimal(args, RSP_PACKET_MAX, &len);
	if (!err)
		err = parse_decimal(args, START_WORDS_MAX, &index);
	if (err)
		return err;
	if (!cur_token(args, ',', &one))
		one = (struct rsp_cursor){ args->p, args->p };
	*ret = index == n && cur_left(&one) == len ? start_parse_text(&one) : NULL;
	return *ret ? NULL : err_new(ERR_PROTO, "malformed A");
}

static struct err *parse_words(struct rsp_cursor *args, char ***ret)
{
	size_t n = 0, room = cur_left(args) / 4 + 2;
	char **words = calloc(room < START_WORDS_MAX ? room : START_WORDS_MAX, sizeof(*words));
	struct err *err = words ? NULL : &err_nomem;

	while (!err && !cur_end(args) && n + 1 < room && n + 1 < START_WORDS_MAX) {
		err = parse_word(args, n, &words[n]);
		n += !err;
	}
	if (!err && (!n || !words[0][0] || !cur_end(args)))
		err = err_new(ERR_PROTO, "malformed A");
	if (err)
		start_free_words(words);
	else
		*ret = words;
	return err;
}

/* What it says is repeated by qLaunchSuccess.  lldb's servers have no shell in between. */
HANDLER(h_launch)
{
	struct session *s = session;
	char **words;

	struct err *err = session_may_add(s);
	if (!err)
		err = parse_words(args, &words);
	if (err)
		return err;
	start_set_argv(s->start, words, NULL);
	s->start->no_shell = true;
	err = session_launch(s);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	struct err *keep = start_set_text(&s->start->failure, err ? err->msg : NULL);
	err_drop(keep); /* then it is told once only */
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_launch_success)
{
	const struct session *s = session;
	(void)args;

	if (s->start->failure)
		buf_printf(out, "E%s", s->start->failure);
	else if (s->target->pid <= 0)
		return err_new(ERR_STATE, "no process was started");
	else
		buf_puts(out, "OK");
	return NULL;
}

/* ---- by name ---- */

static struct err *parse_name(const struct session *s, struct rsp_cursor *args, char **ret)
{
	*ret = NULL;
	struct err *err = session_may_add(s);
	if (err)
		return err;
	*ret = cur_char(args, ';') ? start_parse_text(args) : NULL;
	if (*ret && **ret)
		return NULL;
	return err_new(ERR_PROTO, "malformed name of a process");
}

/* vAttachName;HEX: one that is there */
HANDLER(h_attach_name)
{
	struct session *s = session;
	pid_t pid;
	char *name;

	struct err *err = parse_name(s, args, &name);
	if (!err)
		err = await_find(name, &pid);
	free(name);
	return err ? err : session_attach(s, pid, out);
}

/* vAttachWait;HEX: the next one */
HANDLER(h_attach_wait)
{
	struct session *s = session;
	char *name;
	(void)out;

	struct err *err = parse_name(s, args, &name);
	if (!err)
		err = await_begin(s, name);
	free(name);
	s->no_reply = !err;
	return err;
}

/* vAttachOrWait;HEX: one that is there, else the next */
HANDLER(h_attach_or_wait)
{
	struct session *s = session;
	pid_t pid;
	char *name;

	struct err *err = parse_name(s, args, &name);
	if (!err)
		err = await_find(name, &pid);
	bool found = !err;
	if (err_catch(&err, ERR_NOT_FOUND))
		err = await_begin(s, name);
	free(name);
	if (found)
		return session_attach(s, pid, out);
	s->no_reply = !err;
	return err;
}

HANDLER(h_can_wait)
{
	(void)session;
	(void)args;
	buf_puts(out, "OK");
	return NULL;
}

/* ---- what there is ---- */

/* The numbers of "NAME:" in /proc/PID/status. */
static unsigned long status_number(const char *text, const char *name, unsigned int which)
{
	const char *at = strstr(text, name);
	unsigned long value = 0;
	char *next = at ? (char *)(uintptr_t)at + strlen(name) : NULL;

	for (unsigned int i = 0; next && i <= which; i++)
		value = strtoul(next, &next, 10);
	return value;
}

static bool put_process(const struct session *s, unsigned int pid, struct buf *out)
{
	_cleanup_buf_ struct buf status = { 0 };
	char path[64], exe[PATH_MAX], triple[64];

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	if (!host_text(path, &status))
		return false;
	const char *text = (const char *)status.data;
	buf_printf(out, "pid:%u;ppid:%lu;uid:%lu;gid:%lu;euid:%lu;egid:%lu;", pid,
		   status_number(text, "\nPPid:", 0), status_number(text, "\nUid:", 0),
		   status_number(text, "\nGid:", 0), status_number(text, "\nUid:", 1),
		   status_number(text, "\nGid:", 1));
	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	ssize_t n = readlink(path, exe, sizeof(exe) - 1);
	if (n > 0) {
		buf_puts(out, "name:");
		buf_put_hex(out, exe, (size_t)n);
		buf_puts(out, ";");
	}
	snprintf(triple, sizeof(triple), "%s-pc-linux-gnu", s->target->arch->name);
	buf_puts(out, "triple:");
	buf_put_hex(out, triple, strlen(triple));
	buf_puts(out, ";");
	return true;
}

/* qProcessInfoPID:PID */
HANDLER(h_process_info_pid)
{
	char text[16] = { 0 };
	unsigned long pid;
	char *end;

	size_t n = cur_char(args, ':') ? cur_left(args) : 0;
	if (!n || n >= sizeof(text))
		return err_new(ERR_PROTO, "malformed qProcessInfoPID");
	memcpy(text, args->p, n);
	pid = strtoul(text, &end, 10);
	if (*end || pid > INT32_MAX || !put_process(session, (unsigned int)pid, out))
		return err_new(ERR_NOT_FOUND, "no process %s", text);
	return NULL;
}

/* The first at or above @from; lldb filters the list itself, too. */
static struct err *next_process(struct session *s, struct buf *out)
{
	_cleanup_host_ids_ struct host_ids all = { 0 };

	if (!host_list("/proc", &all))
		return &err_nomem;
	for (size_t i = 0; i < all.n; i++) {
		if (all.id[i] < s->start->next_pid)
			continue;
		s->start->next_pid = all.id[i] + 1;
		if ((!s->start->match || await_is_named(all.id[i], s->start->match)) &&
		    put_process(s, all.id[i], out))
			return NULL;
	}
	return err_new(ERR_NOT_FOUND, "no more processes");
}

/* qfProcessInfo[:KEY:VALUE;...], of which name:HEX with name_match:equals is heard. */
HANDLER(h_first_process)
{
	struct session *s = session;
	struct rsp_cursor one;
	bool equals = false;
	char *name = NULL;

	(void)cur_char(args, ':');
	while (cur_token(args, ';', &one)) {
		if (cur_literal(&one, "name_match:"))
			equals = cur_literal(&one, "equals");
		else if (cur_literal(&one, "name:") && !name)
			name = start_parse_text(&one);
	}
	s->start->next_pid = 0;
	struct err *err = start_set_text(&s->start->match, equals ? name : NULL);
	free(name);
	return err ? err : next_process(s, out);
}

HANDLER(h_next_process)
{
	(void)args;
	return next_process(session, out);
}

/* ---- registers, for a client that does not read target.xml ---- */

/* qRegisterInfoN */
HANDLER(h_register_info)
{
	const struct arch *a = ((struct session *)session)->target->arch;
	unsigned long offset = 0;
	uint64_t n;

	if (!cur_hex(args, &n) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qRegisterInfo");
	if (n >= a->nregs)
		return err_new(ERR_NOT_FOUND, "no register %llx", (unsigned long long)n);
	for (uint64_t i = 0; i < n; i++)
		offset += a->regs[i].bits / 8u;
	const struct reg *r = &a->regs[n];
	bool vector = r->bits > 64;
	buf_printf(out, "name:%s;bitsize:%u;offset:%lu;encoding:%s;format:%s;set:%s;", r->name,
		   r->bits, offset, vector ? "vector" : "uint", vector ? "vector-uint8" : "hex",
		   a->features[r->feature].name);
	if (r->dwarf >= 0)
		buf_printf(out, "ehframe:%d;dwarf:%d;", r->dwarf, r->dwarf);
	if (r->generic)
		buf_printf(out, "generic:%s;", r->generic);
	return NULL;
}
