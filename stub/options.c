/* SPDX-License-Identifier: MIT */
#include "stub/options.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT	    10u /* seconds for a script */
#define TIMEOUT_MAX 86400u

enum arg { ARG_NONE, ARG_VALUE, ARG_OPTIONAL, ARG_WORD };

struct reader {
	int argc;
	char **argv;
	int at; /* the next word */
	struct options *o;
	FILE *err;
};

struct option_row {
	const char *name;
	enum arg arg; /* ARG_VALUE: --name=VALUE; ARG_WORD: or --name VALUE */
	bool (*apply)(struct reader *r, const char *value);
	const char *help; /* NULL: not in the usage */
};

#define FLAG(field, value)                                                 \
	static bool set_##field##_##value(struct reader *r, const char *v) \
	{                                                                  \
		(void)v;                                                   \
		r->o->field = value;                                       \
		return true;                                               \
	}
FLAG(once, true)
FLAG(multi, true)
FLAG(keep_aslr, true)
FLAG(keep_aslr, false)
FLAG(no_startup_shell, true)
FLAG(no_startup_shell, false)
FLAG(read_only, true)
FLAG(no_host_io, true)
FLAG(json, true)
FLAG(locals, true)
FLAG(native, true)
FLAG(nonblocking, true)
FLAG(locks, true)
FLAG(tasks, true)
FLAG(no_output, true)
FLAG(pep768, true)
FLAG(debug, true)
FLAG(event_loop_debug, true)
FLAG(remote_debug, true)

static bool set_mode(struct reader *r, enum mode mode)
{
	r->o->mode = mode;
	return true;
}

static bool set_attach(struct reader *r, const char *v)
{
	(void)v;
	return set_mode(r, MODE_ATTACH);
}

static bool set_core(struct reader *r, const char *v)
{
	(void)v;
	return set_mode(r, MODE_CORE);
}

static bool set_sysroot(struct reader *r, const char *v)
{
	r->o->sysroot = v;
	return true;
}

static bool set_help(struct reader *r, const char *v)
{
	(void)v;
	return set_mode(r, MODE_HELP);
}

static bool set_version(struct reader *r, const char *v)
{
	(void)v;
	return set_mode(r, MODE_VERSION);
}

/* --wrapper PROG ARGS... -- */
static bool set_wrapper(struct reader *r, const char *v)
{
	(void)v;
	int from = r->at;
	while (r->at < r->argc && strcmp(r->argv[r->at], "--") != 0)
		r->at++;
	if (r->at == from || r->at == r->argc) {
		fprintf(r->err, "archerfish: --wrapper takes a program, its arguments and --\n");
		return false;
	}
	r->argv[r->at++] = NULL;
	r->o->wrapper = &r->argv[from];
	return true;
}

static bool set_debug_file(struct reader *r, const char *v)
{
	r->o->debug_file = v;
	return true;
}

/* OPTION[,OPTION...], the last of which counts. */
static bool set_debug_format(struct reader *r, const char *v)
{
	bool timestamp = r->o->debug_timestamp;

	while (*v) {
		size_t len = strcspn(v, ",");
		if (!options_debug_format(v, len, &timestamp)) {
			fprintf(r->err, "Unknown debug-format argument: \"%.*s\"\n", (int)len, v);
			return false;
		}
		v += len + (v[len] == ',');
	}
	r->o->debug_timestamp = timestamp;
	return true;
}

static bool set_python(struct reader *r, const char *v)
{
	r->o->python_off = strcmp(v, "off") == 0;
	if (r->o->python_off || strcmp(v, "auto") == 0)
		return true;
	fprintf(r->err, "archerfish: --python takes auto or off\n");
	return false;
}

/* @name's value is on or off. */
static bool set_switch(struct reader *r, const char *name, const char *v, bool *ret)
{
	*ret = strcmp(v, "on") == 0;
	if (*ret || strcmp(v, "off") == 0)
		return true;
	fprintf(r->err, "archerfish: %s takes on or off\n", name);
	return false;
}

static bool set_unwind_tables(struct reader *r, const char *v)
{
	return set_switch(r, "--unwind-tables", v, &r->o->unwind_tables);
}

static bool set_virtual_threads(struct reader *r, const char *v)
{
	return set_switch(r, "--virtual-threads", v, &r->o->virtual_threads);
}

static bool set_mixed(struct reader *r, const char *v)
{
	return set_switch(r, "--mixed", v, &r->o->mixed);
}

static bool set_tries(struct reader *r, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);
	if (*v < '0' || *v > '9' || *end || !n || n > LOOK_TRIES_MAX) {
		fprintf(r->err, "archerfish: --tries takes a number, 1 to %u\n", LOOK_TRIES_MAX);
		return false;
	}
	r->o->tries = (unsigned int)n;
	return true;
}

static bool set_timeout(struct reader *r, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);
	if (*v < '0' || *v > '9' || *end || !n || n > TIMEOUT_MAX) {
		fprintf(r->err, "archerfish: --timeout takes seconds, 1 to %u\n", TIMEOUT_MAX);
		return false;
	}
	r->o->timeout = (unsigned int)n;
	return true;
}

static bool set_thread(struct reader *r, const char *v)
{
	r->o->thread = v;
	return *v;
}

static bool set_disable_packet(struct reader *r, const char *v)
{
	static const char names[] = "Disableable packets:\n"
				    "  vCont       \tAll vCont packets\n"
				    "  qC          \tQuerying the current thread\n"
				    "  qfThreadInfo\tThread listing\n"
				    "  Tthread     \tThread to stop reply\n"
				    "  T           \tAll 'T' packets\n"
				    "  threads     \tAll of the above\n";
	if (!v) {
		fputs(names, stdout);
		exit(0);
	}
	if (r->o->ndisabled == sizeof(r->o->disable_packets) / sizeof(r->o->disable_packets[0])) {
		fprintf(r->err, "archerfish: too many --disable-packet\n");
		return false;
	}
	r->o->disable_packets[r->o->ndisabled++] = v;
	return true;
}

static bool refuse_selftest(struct reader *r, const char *v)
{
	(void)r;
	(void)v;
	/* Ours are a program of their own: make check. */
	puts("Selftests have been disabled for this build.");
	exit(0);
}

/* clang-format off */
static const struct option_row rows[] = {
	{ "--attach", ARG_NONE, set_attach, "attach to process PID" },
	{ "--core", ARG_NONE, set_core, "serve the core file CORE, of the program EXE; compressed: unpacked first" },
	{ "--sysroot", ARG_VALUE, set_sysroot, "DIR: where a core's mapped files lie below" },
	{ "--multi", ARG_NONE, set_multi_true, "begin without a process, for target extended-remote" },
	{ "--once", ARG_NONE, set_once_true, "serve one client, then exit" },
	{ "--wrapper", ARG_NONE, set_wrapper, "WRAPPER ARGS.. --: run PROG by this program" },
	{ "--disable-randomization", ARG_NONE, set_keep_aslr_false, "run PROG with fixed addresses (default)" },
	{ "--no-disable-randomization", ARG_NONE, set_keep_aslr_true, "run PROG as the system would" },
	{ "--startup-with-shell", ARG_NONE, set_no_startup_shell_false, "start PROG by $SHELL -c exec (default)" },
	{ "--no-startup-with-shell", ARG_NONE, set_no_startup_shell_true, "exec PROG itself" },
	{ "--read-only", ARG_NONE, set_read_only_true, "look, never touch: no writes, no breakpoints" },
	{ "--no-host-io", ARG_NONE, set_no_host_io_true, "give the client no files (vFile)" },
	{ "--python", ARG_VALUE, set_python, "auto|off: Python stacks" },
	{ "--unwind-tables", ARG_VALUE, set_unwind_tables, "on|off: libraries that unwind code without tables (on)" },
	{ "--virtual-threads", ARG_VALUE, set_virtual_threads, "on|off: a thread more for each that runs Python (on)" },
	{ "--mixed", ARG_VALUE, set_mixed, "on|off: Python frames in the stacks of real threads (on)" },
	{ "--locals", ARG_NONE, set_locals_true, "stacks: the variables of each frame too" },
	{ "--tasks", ARG_NONE, set_tasks_true, "stacks: asyncio's tasks instead, as a tree" },
	{ "--native", ARG_NONE, set_native_true, "stacks: C frames too, where they ran; every thread" },
	{ "--locks", ARG_NONE, set_locks_true, "stacks: who waits for which lock instead, and deadlocks" },
	{ "--nonblocking", ARG_NONE, set_nonblocking_true, "look at a process that runs, never stop it" },
	{ "--tries", ARG_VALUE, set_tries, "N: with --nonblocking, tries to see a stack unchanged" },
	{ "--timeout", ARG_VALUE, set_timeout, "exec: SECONDS after which the script is cancelled (10)" },
	{ "--no-output", ARG_NONE, set_no_output_true, "exec: what the script prints goes where the program's does" },
	{ "--thread", ARG_WORD, set_thread, "exec, pdb: T: a thread's id, or what threading calls it, instead of the main one" },
	{ "--pep768", ARG_NONE, set_pep768_true, "exec, pdb: by Python's own fields for that (3.14 and later)" },
	{ "--json", ARG_NONE, set_json_true, "stacks: for programs" },
	{ "--remote-debug", ARG_NONE, set_remote_debug_true, "log the packets" },
	{ "--debug", ARG_OPTIONAL, set_debug_true, "log what the stub does" },
	{ "--event-loop-debug", ARG_NONE, set_event_loop_debug_true, "log what the target reports" },
	{ "--debug-format", ARG_VALUE, set_debug_format, "all, none, timestamp: what a log line begins with" },
	{ "--debug-file", ARG_VALUE, set_debug_file, "the log goes to this file" },
	{ "--disable-packet", ARG_OPTIONAL, set_disable_packet, "NAME: pretend not to know a packet; no name: list them" },
	{ "--help", ARG_NONE, set_help, "print this" },
	{ "--version", ARG_NONE, set_version, "print the version" },
	{ "--selftest", ARG_OPTIONAL, refuse_selftest, NULL },
};
/* clang-format on */

void options_usage(FILE *out)
{
	fputs("Usage: archerfish [OPTIONS] COMM PROG [ARGS...]\n"
	      "       archerfish [OPTIONS] --attach COMM PID\n"
	      "       archerfish [OPTIONS] --multi COMM\n"
	      "       archerfish [OPTIONS] --core COMM CORE [EXE]\n"
	      "       archerfish stacks [--json] [--locals] [--native] [--nonblocking] PID\n"
	      "       archerfish stacks [--json] [--nonblocking] --locks PID\n"
	      "       archerfish stacks [--json] [--nonblocking] --tasks PID\n"
	      "       archerfish stacks [OPTIONS] CORE [EXE]\n"
	      "       archerfish exec [OPTIONS] PID FILE\n"
	      "       archerfish exec [OPTIONS] PID -c CODE\n"
	      "       archerfish pdb [OPTIONS] PID [HOST:PORT|unix:PATH]\n\n"
	      "COMM is HOST:PORT, :PORT (this host only), unix:PATH, fd:N, a serial device,\n"
	      "or - or stdio.\n\nOptions:\n",
	      out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].help)
			fprintf(out, "  %-28s %s\n", rows[i].name, rows[i].help);
}

void options_version(FILE *out)
{
	fputs("archerfish " OPTIONS_VERSION "\n", out);
}

static const struct option_row *find(const char *word, const char **value)
{
	const char *eq = strchr(word, '=');
	size_t n = eq ? (size_t)(eq - word) : strlen(word);

	*value = eq ? eq + 1 : NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].name) != n || strncmp(rows[i].name, word, n) != 0)
			continue;
		if (rows[i].arg == (eq ? ARG_NONE : ARG_VALUE))
			return NULL;
		return &rows[i];
	}
	return NULL;
}

static bool read_options(struct reader *r)
{
	while (r->at < r->argc && strncmp(r->argv[r->at], "--", 2) == 0) {
		const char *value, *word = r->argv[r->at++];
		if (!word[2])
			break;
		const struct option_row *row = find(word, &value);
		if (!row) {
			fprintf(r->err, "archerfish: unknown option %s\n", word);
			return false;
		}
		if (row->arg == ARG_WORD && !value) {
			if (r->at >= r->argc)
				return false;
			value = r->argv[r->at++];
		}
		if (!row->apply(r, value))
			return false;
	}
	return true;
}

/* The word that is next. */
static bool take_pid(struct reader *r)
{
	char *end;

	if (r->at >= r->argc)
		return false;
	const char *word = r->argv[r->at++];
	long pid = strtol(word, &end, 10);
	if (*end || end == word || pid <= 0 || pid != (pid_t)pid) {
		fprintf(r->err, "archerfish: %s is not a process id\n", word);
		return false;
	}
	r->o->pid = (pid_t)pid;
	return true;
}

/* And the last. */
static bool read_pid(struct reader *r)
{
	return r->at == r->argc - 1 && take_pid(r);
}

/* PID [ADDR] */
static bool read_pdb(struct reader *r)
{
	if (!take_pid(r))
		return false;
	if (r->at == r->argc - 1)
		r->o->address = r->argv[r->at++];
	return r->at == r->argc;
}

/* PID FILE, or PID -c CODE */
static bool read_exec(struct reader *r)
{
	if (!take_pid(r))
		return false;
	if (r->at == r->argc - 2 && strcmp(r->argv[r->at], "-c") == 0)
		r->o->code = r->argv[r->at + 1];
	else if (r->at == r->argc - 1 && strcmp(r->argv[r->at], "-c") != 0)
		r->o->script = r->argv[r->at];
	return r->o->code || r->o->script;
}

/* CORE [EXE] */
static bool read_core(struct reader *r)
{
	if (r->at >= r->argc || r->at < r->argc - 2)
		return false;
	r->o->core = r->argv[r->at++];
	if (r->at < r->argc)
		r->o->exe = r->argv[r->at++];
	return true;
}

/* What cannot be a number, and is not just a mistyped one. */
static bool names_core(const struct reader *r)
{
	const char *word = r->at < r->argc ? r->argv[r->at] : "";
	return word[strspn(word, "-+0123456789")] &&
	       (strpbrk(word, "./") || strncmp(word, "core", 4) == 0);
}

static bool read_rest(struct reader *r)
{
	if (r->o->mode == MODE_HELP || r->o->mode == MODE_VERSION)
		return true;
	if (r->o->mode == MODE_STACKS)
		return names_core(r) ? read_core(r) : read_pid(r);
	if (r->o->mode == MODE_EXEC)
		return read_exec(r);
	if (r->o->mode == MODE_PDB)
		return read_pdb(r);
	if (r->at >= r->argc)
		return false;
	r->o->comm = r->argv[r->at++];
	/* gdbserver lets --attach follow COMM too. */
	if (r->at < r->argc && strcmp(r->argv[r->at], "--attach") == 0) {
		r->o->mode = MODE_ATTACH;
		r->at++;
	}
	if (r->o->mode == MODE_ATTACH)
		return read_pid(r);
	if (r->o->mode == MODE_CORE)
		return read_core(r);
	if (r->at == r->argc && r->o->multi)
		return set_mode(r, MODE_MULTI);
	r->o->argv = &r->argv[r->at];
	return r->at < r->argc;
}

static bool check_options(struct reader *r)
{
	const struct options *o = r->o;
	if (o->sysroot && !o->core)
		fprintf(r->err, "archerfish: --sysroot is for cores\n");
	else if ((o->mode == MODE_EXEC || o->mode == MODE_PDB) && (o->read_only || o->nonblocking))
		fprintf(r->err, "archerfish: with --%s nothing is run in the process\n",
			o->read_only ? "read-only" : "nonblocking");
	else if (o->nonblocking && (o->mode == MODE_LAUNCH || o->mode == MODE_MULTI || o->core))
		fprintf(r->err, "archerfish: --nonblocking needs a process that runs: --attach\n");
	else if (o->nonblocking && (o->locals || o->native))
		fprintf(r->err, "archerfish: --%s needs a process that stands still\n",
			o->locals ? "locals" : "native");
	else
		return true;
	return false;
}

static const struct {
	const char *word;
	enum mode mode;
} modes[] = { { "stacks", MODE_STACKS }, { "exec", MODE_EXEC }, { "pdb", MODE_PDB } };

bool options_parse(int argc, char **argv, struct options *ret, FILE *err)
{
	struct reader r = { argc, argv, 1, ret, err };

	*ret = (struct options){ .mode = MODE_LAUNCH,
				 .tries = LOOK_TRIES,
				 .unwind_tables = true,
				 .virtual_threads = true,
				 .mixed = true,
				 .timeout = TIMEOUT };
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].word) != 0)
			continue;
		ret->mode = modes[i].mode;
		r.at++;
	}
	if (read_options(&r) && read_rest(&r) && check_options(&r))
		return true;
	options_usage(err);
	return false;
}

bool options_debug_format(const char *word, size_t len, bool *timestamp)
{
	static const struct {
		const char *word;
		bool timestamp;
	} formats[] = { { "all", true }, { "none", false }, { "timestamp", true } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strlen(formats[i].word) == len && memcmp(word, formats[i].word, len) == 0) {
			*timestamp = formats[i].timestamp;
			return true;
		}
	}
	return len == 0;
}
