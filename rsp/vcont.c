/* SPDX-License-Identifier: MIT */
#include "rsp/vcont.h"

#include <stdlib.h>

/* What follows the letter, by kind. */
static bool parse_operand(struct rsp_cursor *c, struct rsp_vcont *ret)
{
	uint64_t signo;

	switch (ret->kind) {
	case 'c':
	case 's':
	case 't':
		return true;
	case 'C':
	case 'S':
		if (!cur_hex(c, &signo) || signo > 0xff)
			return false;
		ret->signo = (unsigned int)signo;
		return true;
	case 'r':
		return cur_hex(c, &ret->start) && cur_char(c, ',') && cur_hex(c, &ret->end);
	default:
		return false;
	}
}

static bool parse_action(struct rsp_cursor *c, struct rsp_vcont *ret)
{
	*ret = (struct rsp_vcont){ .thread = { RSP_ANY, RSP_ALL } };
	if (cur_end(c))
		return false;
	ret->kind = *c->p++;
	if (!parse_operand(c, ret))
		return false;
	if (cur_char(c, ':') && !rsp_thread_id_parse(c, &ret->thread))
		return false;
	return cur_end(c);
}

static size_t count_actions(const struct rsp_cursor *args)
{
	size_t n = 0;
	for (const char *p = args->p; p < args->end; p++)
		n += *p == ';';
	return n;
}

struct err *rsp_vcont_parse(struct rsp_cursor *args, struct rsp_vcont_list *ret)
{
	struct rsp_cursor one;
	size_t n = count_actions(args);

	*ret = (struct rsp_vcont_list){ 0 };
	if (!n || !cur_char(args, ';'))
		return err_new(ERR_PROTO, "vCont without an action");
	if (n > RSP_VCONT_MAX)
		return err_new(ERR_PROTO, "vCont with %zu actions", n);
	ret->action = calloc(n, sizeof(*ret->action));
	if (!ret->action)
		return &err_nomem;
	while (ret->n < n && cur_token(args, ';', &one)) {
		if (!parse_action(&one, &ret->action[ret->n]))
			break;
		ret->n++;
	}
	if (ret->n == n)
		return NULL;
	n = ret->n;
	rsp_vcont_deinit(ret);
	return err_new(ERR_PROTO, "malformed vCont action %zu", n + 1);
}

void rsp_vcont_deinit(struct rsp_vcont_list *list)
{
	free(list->action);
	*list = (struct rsp_vcont_list){ 0 };
}
