/* SPDX-License-Identifier: MIT */
/*
 * Prints what the synthetic library is told of code objects:
 *
 *	describe PID < addresses, in hex, one a line
 *
 * of each a line of fields that tabs separate: address, length of the bytecode, first line, file,
 * name, qualified name, arguments, other variables (commas between them), and rows
 * START-END:LINE.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "qxfer/python/describe.h"
#include "tests/walk/proc_space.h"

static void print_variables(const struct synth_code *code, bool argument)
{
	const char *between = "";
	printf("\t");
	for (size_t i = 0; i < code->nvariables; i++)
		if (code->variables[i].argument == argument) {
			printf("%s%s", between, code->variables[i].name);
			between = ",";
		}
}

static void print_code(const struct synth_code *code)
{
	printf("%" PRIx64 "\t%u\t%d\t%s\t%s\t%s", code->addr, code->len, code->first_line,
	       code->file, code->name, code->qualname ? code->qualname : "");
	print_variables(code, true);
	print_variables(code, false);
	printf("\t");
	for (size_t i = 0; i < code->nrows; i++)
		printf("%u-%u:%d ", code->rows[i].start, code->rows[i].end, code->rows[i].line);
	printf("\n");
}

static struct err *describe_each(struct python *py, const struct space *space)
{
	const struct py_walk walk = { 0 };
	const struct py_snapshot *snap;
	struct arena arena = { 0 };
	char line[32];
	struct err *err = python_walk(py, space, &walk, &snap);
	while (!err && fgets(line, sizeof(line), stdin)) {
		struct synth_code code;
		err = python_describe_code(py, space, strtoull(line, NULL, 16), &arena, &code);
		if (!err)
			print_code(&code);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	return err;
}

int main(int argc, char **argv)
{
	static struct proc_space p;
	struct python *py;

	if (argc != 2 || python_create(&py))
		return 2;
	if (!proc_space_open(&p, (pid_t)strtol(argv[1], NULL, 10)) || !proc_space_stop(&p))
		return 1;
	struct err *err = describe_each(py, &p.space);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	proc_space_resume(&p);
	proc_space_close(&p);
	python_destroy(py);
	return err ? 1 : 0;
}
