/* SPDX-License-Identifier: MIT */
/* The command line, as gdbserver has it, and what is ours. */
#ifndef STUB_OPTIONS_H
#define STUB_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "stub/target/live.h"
#include "stub/target/look.h"

#define OPTIONS_VERSION "0.1.0"

enum mode {
	MODE_LAUNCH,
	MODE_ATTACH,
	MODE_MULTI,
	MODE_CORE,
	MODE_STACKS,
	MODE_EXEC,
	MODE_PDB,
	MODE_HELP,
	MODE_VERSION
};

struct options {
	enum mode mode;
	const char *comm;    /* HOST:PORT, :PORT, unix:PATH, fd:N, - or stdio, a device */
	pid_t pid;	     /* MODE_ATTACH, MODE_STACKS, MODE_EXEC, MODE_PDB */
	const char *core;    /* MODE_CORE, MODE_STACKS: a core file; NULL: the process `pid' */
	const char *exe;     /* with core: the program's file, or NULL */
	const char *sysroot; /* with core: below it are the files that were mapped; or NULL */
	char **argv;	     /* MODE_LAUNCH: the program and its arguments; borrowed */
	char **wrapper;	     /* --wrapper, up to "--"; borrowed, NULL-terminated; or NULL */
	const char *script;  /* MODE_EXEC: its file, `-' is stdin; NULL: `code' */
	const char *code;    /* MODE_EXEC: -c */
	const char *thread;  /* MODE_EXEC, MODE_PDB: its id or its name; NULL: the main one */
	const char *address; /* MODE_PDB: where to wait for a client of pdb's; NULL: our terminal */
	bool pep768;	     /* MODE_EXEC, MODE_PDB: by the fields of PEP 768 */
	unsigned int timeout; /* MODE_EXEC: seconds */
	bool no_output;	      /* MODE_EXEC: what the script prints goes where the program's does */
	bool once;
	bool multi;	       /* --multi: the stub stays, whatever becomes of its processes */
	bool keep_aslr;	       /* --no-disable-randomization */
	bool no_startup_shell; /* --no-startup-with-shell */
	bool read_only;
	bool no_host_io;
	bool python_off;
	bool unwind_tables; /* libraries for the client; stacks of our own go on in any case */
	bool virtual_threads;
	bool mixed;				 /* Python frames in stacks of real threads */
	bool json, locals, native, locks, tasks; /* stacks */
	bool nonblocking;			 /* never stop it; MODE_ATTACH, MODE_STACKS */
	unsigned int tries;			 /* with nonblocking: see struct space */
	bool quiet;				 /* say nothing of what is opened */
	bool debug, event_loop_debug, remote_debug;
	bool debug_timestamp; /* --debug-format */
	const char *debug_file;
	const char *disable_packets[16]; /* --disable-packet=NAME */
	unsigned int ndisabled;
	struct live_inherit inherit; /* as we were started with, for what we start */
};

/*
 * Reads the command line into *ret.  On a mistake says so on @err, with
 * gdbserver's usage text, and returns false.
 */
bool options_parse(int argc, char **argv, struct options *ret, FILE *err);
/* One word of --debug-format; false if it is none. */
bool options_debug_format(const char *word, size_t len, bool *timestamp);
void options_usage(FILE *out);
void options_version(FILE *out);

#endif
