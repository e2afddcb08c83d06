/* SPDX-License-Identifier: MIT */
#include "stub/start.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/conn.h"
#include "stub/target/live.h"
#include "stub/target/look.h"

extern char **environ;

void start_free_words(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

/* @n words of @from, and a NULL; NULL: no memory. */
static char **copy_words(char *const *from, size_t n, size_t room)
{
	char **words = calloc(room + 1, sizeof(*words));
	for (size_t i = 0; words && i < n; i++) {
		words[i] = strdup(from[i]);
		if (words[i])
			continue;
		start_free_words(words);
		return NULL;
	}
	return words;
}

static size_t count_words(char *const *words)
{
	size_t n = 0;
	while (words && words[n])
		n++;
	return n;
}

void start_init(struct start *st, const struct options *o)
{
	*st = (struct start){ .options = o };
	size_t n = count_words(o->argv);
	if (n)
		st->argv = copy_words(o->argv, n, n);
	start_reset(st);
}

void start_reset(struct start *st)
{
	start_reset_env(st);
	free(st->cwd);
	st->cwd = NULL;
	for (size_t i = 0; i < 3; i++) {
		free(st->io[i]);
		st->io[i] = NULL;
	}
	free(st->failure);
	free(st->match);
	st->failure = st->match = NULL;
	st->no_shell = st->options->no_startup_shell;
	st->keep_aslr = st->options->keep_aslr;
}

void start_deinit(struct start *st)
{
	start_reset(st);
	start_set_argv(st, NULL, NULL);
}

void start_set_argv(struct start *st, char **argv, char *as_typed)
{
	start_free_words(st->argv);
	free(st->as_typed);
	st->argv = argv;
	st->as_typed = as_typed;
}

/* ---- environment ---- */

void start_reset_env(struct start *st)
{
	start_free_words(st->env);
	st->env = NULL;
	st->nenv = st->text = 0;
}

static struct err *own_env(struct start *st)
{
	if (st->env)
		return NULL;
	st->nenv = count_words(environ);
	st->env = copy_words(environ, st->nenv, st->nenv);
	return st->env ? NULL : &err_nomem;
}

/* Where NAME, of @len bytes, is; nenv: nowhere. */
static size_t find_env(const struct start *st, const char *name, size_t len)
{
	size_t i = 0;
	while (i < st->nenv && (strncmp(st->env[i], name, len) != 0 || st->env[i][len] != '='))
		i++;
	return i;
}

static struct err *append_env(struct start *st, char *text)
{
	if (st->nenv >= START_WORDS_MAX)
		return err_new(ERR_STATE, "more than %u environment variables", START_WORDS_MAX);
	char **more = reallocarray(st->env, st->nenv + 2, sizeof(*more));
	if (!more)
		return &err_nomem;
	st->env = more;
	st->env[st->nenv++] = text;
	st->env[st->nenv] = NULL;
	return NULL;
}

struct err *start_set_env(struct start *st, const char *text)
{
	const char *eq = strchr(text, '=');

	if (!eq || eq == text)
		return err_new(ERR_PROTO, "no NAME=VALUE");
	if (strlen(text) > START_TEXT_MAX - st->text)
		return err_new(ERR_STATE, "an environment of more than %u bytes", START_TEXT_MAX);
	struct err *err = own_env(st);
	char *copy = err ? NULL : strdup(text);
	if (!copy)
		return &err_nomem;
	size_t i = find_env(st, text, (size_t)(eq - text));
	if (i < st->nenv) {
		free(st->env[i]);
		st->env[i] = copy;
	} else {
		err = append_env(st, copy);
		if (err)
			free(copy);
	}
	st->text += err ? 0 : strlen(text);
	return err;
}

struct err *start_unset_env(struct start *st, const char *name)
{
	if (!*name || strchr(name, '='))
		return err_new(ERR_PROTO, "no NAME");
	struct err *err = own_env(st);
	if (err)
		return err;
	size_t i = find_env(st, name, strlen(name));
	if (i == st->nenv)
		return NULL;
	free(st->env[i]);
	memmove(&st->env[i], &st->env[i + 1], (st->nenv - i) * sizeof(*st->env));
	st->nenv--;
	return NULL;
}

struct err *start_set_text(char **field, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	if (text && *text && !copy)
		return &err_nomem;
	free(*field);
	*field = copy;
	return NULL;
}

/* ---- the start ---- */

/* A bare name that is a file here is that file, not one of $PATH. */
static void find_program(char **name)
{
	struct stat st;
	char *path;

	if (strchr(*name, '/') || stat(*name, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	path = realpath(*name, NULL);
	if (!path)
		return;
	free(*name);
	*name = path;
}

/* As a shell reads a leading tilde. */
static const char *expand_home(const char *path, char ret[PATH_MAX])
{
	const char *home = getenv("HOME");

	if (!path || path[0] != '~' || (path[1] && path[1] != '/') || !home)
		return path;
	int n = snprintf(ret, PATH_MAX, "%s%s", home, path + 1);
	return n > 0 && n < PATH_MAX ? ret : path;
}

static struct err *launch(struct start *st, struct target *beside, struct target **ret)
{
	const struct options *o = st->options;
	char cwd[PATH_MAX];

	if (!st->argv || !st->argv[0])
		return err_new(ERR_STATE, "No program to debug");
	find_program(&st->argv[0]);
	struct live_launch how = {
		.argv = st->argv,
		.as_typed = st->as_typed,
		.wrapper = o->wrapper,
		.cwd = expand_home(st->cwd, cwd),
		.env = st->env,
		.keep_aslr = st->keep_aslr,
		.no_shell = st->no_shell,
		.inherit = &o->inherit,
		.io = { st->io[0], st->io[1], st->io[2] },
		.stdin_null = conn_is_stdio(o->comm),
	};
	struct err *err = live_launch(&how, beside, ret);
	if (!err)
		fprintf(stderr, "Process %s created; pid = %d\n", st->argv[0], (*ret)->pid);
	return err;
}

static struct err *attach(const struct options *o, pid_t pid, struct target *beside,
			  struct target **ret)
{
	struct err *err = o->nonblocking ? look_open(pid, o->tries, ret)
					 : live_attach_beside(beside, pid, ret);
	if (err) {
		struct err *whole =
			err_new(err->code, "Cannot attach to process %d: %s", pid, err->msg);
		err_drop(err);
		return whole;
	}
	if (!o->quiet)
		fprintf(stderr, "%s; pid = %d\n", o->nonblocking ? "Looking on" : "Attached", pid);
	return NULL;
}

const struct starter start_live = { .launch = launch, .attach = attach };
