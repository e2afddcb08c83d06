/* SPDX-License-Identifier: MIT */
/* Starting and attaching to processes for a client: vRun, vAttach, and how it is done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/handlers.h"
#include "stub/launch.h"
#include "stub/session.h"
#include "stub/start.h"
#include "stub/stopreply.h"

char *start_parse_text(struct rsp_cursor *hex)
{
	size_t n = cur_left(hex) / 2;
	char *text = malloc(n + 1);

	if (!text || !cur_hexbytes(hex, text, n) || !cur_end(hex) || memchr(text, '\0', n)) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* ";HEX;HEX..." as words; the first one may be empty, which is said of it. */
static struct err *parse_words(struct rsp_cursor *args, char ***ret, size_t *n_ret)
{
	struct rsp_cursor one;
	size_t n = 0, room = 1;

	if (!cur_char(args, ';'))
		return err_new(ERR_PROTO, "malformed vRun");
	for (const char *p = args->p; p < args->end; p++)
		room += *p == ';';
	if (room > START_WORDS_MAX)
		return err_new(ERR_PROTO, "more than %u arguments", START_WORDS_MAX);
	char **words = calloc(room + 1, sizeof(*words));
	if (!words)
		return &err_nomem;
	while (n < room) {
		bool more = cur_token(args, ';', &one);
		words[n] = more ? start_parse_text(&one) : strdup("");
		if (!words[n++]) {
			start_free_words(words);
			return err_new(ERR_PROTO, "malformed vRun");
		}
	}
	*ret = words;
	*n_ret = n;
	return NULL;
}

/* An empty name is the last program's. */
static struct err *name_program(struct start *st, char **words)
{
	if (words[0][0])
		return NULL;
	if (!st->argv || !st->argv[0])
		return err_new(ERR_STATE, "No program to debug");
	char *name = strdup(st->argv[0]);
	if (!name)
		return &err_nomem;
	free(words[0]);
	words[0] = name;
	return NULL;
}

struct err *session_launch(struct session *s)
{
	struct target *fresh;
	struct err *err = session_may_add(s);

	if (!err)
		err = s->starter->launch(s->start, s->target, &fresh);
	return err ? err : session_add(s, fresh);
}

/* vRun;PROGRAM;ARG... */
HANDLER(h_run)
{
	struct session *s = session;
	char **words;
	size_t n;

	struct err *err = session_may_add(s);
	if (!err)
		err = parse_words(args, &words, &n);
	if (err)
		return err;
	err = name_program(s->start, words);
	if (err) {
		start_free_words(words);
		return err;
	}
	start_set_argv(s->start, words, NULL);
	err = session_launch(s);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	else
		stop_reply(s, out);
	return err;
}

struct err *session_attach(struct session *s, pid_t pid, struct buf *out)
{
	struct target *fresh;
	struct err *err = session_may_add(s);

	if (!err)
		err = s->starter->attach(s->options, pid, s->target, &fresh);
	if (err)
		return err;
	err = session_add(s, fresh);
	if (err)
		return err;
	if (s->nonstop.on) {
		/* The stops of its threads are told as all others. */
		s->target->run->alone->release(s->target);
		buf_puts(out, "OK");
	} else {
		stop_reply(s, out);
	}
	return NULL;
}

/* vAttach;PID */
HANDLER(h_attach)
{
	struct session *s = session;
	uint64_t pid;

	if (!cur_char(args, ';') || !cur_hex(args, &pid) || !cur_end(args) || !pid ||
	    pid > INT32_MAX)
		return err_new(ERR_PROTO, "malformed vAttach");
	struct err *err = session_attach(s, (pid_t)pid, out);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	return err;
}

/* ---- how it is done ---- */

/* ":HEX" with a text in it; what else there could be is malformed. */
static struct err *parse_text(struct rsp_cursor *args, char **ret)
{
	*ret = cur_char(args, ':') ? start_parse_text(args) : NULL;
	if (!*ret)
		return err_new(ERR_PROTO, "malformed hexadecimal text");
	return NULL;
}

static struct err *say_ok(struct err *err, struct buf *out)
{
	if (!err)
		buf_puts(out, "OK");
	return err;
}

/* QEnvironmentHexEncoded:HEX of NAME=VALUE */
HANDLER(h_set_env)
{
	struct session *s = session;
	char *text;

	struct err *err = parse_text(args, &text);
	if (!err)
		err = start_set_env(s->start, text);
	free(text);
	return say_ok(err, out);
}

/* QEnvironment:NAME=VALUE, of lldb */
HANDLER(h_set_env_plain)
{
	struct session *s = session;
	char *text = cur_char(args, ':') ? strndup(args->p, cur_left(args)) : NULL;

	struct err *err =
		text ? start_set_env(s->start, text) : err_new(ERR_PROTO, "malformed QEnvironment");
	free(text);
	return say_ok(err, out);
}

/* QEnvironmentUnset:HEX of NAME */
HANDLER(h_unset_env)
{
	struct session *s = session;
	char *text;

	struct err *err = parse_text(args, &text);
	if (!err)
		err = start_unset_env(s->start, text);
	free(text);
	return say_ok(err, out);
}

HANDLER(h_reset_env)
{
	struct session *s = session;
	(void)args;

	start_reset_env(s->start);
	return say_ok(NULL, out);
}

/* QSetWorkingDir:HEX; no HEX: where the stub is. */
HANDLER(h_set_cwd)
{
	struct session *s = session;
	char *text;

	struct err *err = parse_text(args, &text);
	if (!err)
		err = start_set_text(&s->start->cwd, text);
	free(text);
	return say_ok(err, out);
}

HANDLER(h_startup_shell)
{
	struct session *s = session;
	bool on = false;

	struct err *err = cur_flag(args, &on);
	if (!err)
		s->start->no_shell = !on;
	return say_ok(err, out);
}

/* QDisableRandomization, and lldb's QSetDisableASLR */
HANDLER(h_randomization)
{
	struct session *s = session;
	bool fixed = false;

	struct err *err = cur_flag(args, &fixed);
	if (!err)
		s->start->keep_aslr = !fixed;
	return say_ok(err, out);
}
