/* The reference (api/openapi.yaml, as a node serves it) against the program, in both directions:
 * every route with its roles, every parameter in a path or behind it, every field of a request. */
#include "tests/unit/api_fixture.h"

#include <yaml.h>

#include "api/routes.h"

struct book {
    struct rig *rig;
    struct bytes text;
    yaml_document_t document;
    yaml_node_t *root;
};

static int open_book(void **state)
{
    struct book *b = calloc(1, sizeof *b);
    void *rig = NULL;
    yaml_parser_t parser;

    if (b == NULL || rig_open(&rig) != 0) {
        return -1;
    }
    b->rig = rig;
    rig_get(b->rig, "/openapi.yaml");
    if (b->rig->status != 200 || !rig_header(b->rig, "Content-Type: application/yaml")) {
        return -1;
    }
    bytes_init(&b->text);
    bytes_append(&b->text, b->rig->body.base, b->rig->body.len - 1);
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, b->text.base, b->text.len);
    if (yaml_parser_load(&parser, &b->document) != 1) {
        fprintf(stderr, "openapi.yaml:%zu: %s\n", parser.problem_mark.line + 1, parser.problem);
        return -1;
    }
    yaml_parser_delete(&parser);
    b->root = yaml_document_get_root_node(&b->document);
    *state = b;
    return 0;
}

static int close_book(void **state)
{
    struct book *b = *state;
    void *rig = b->rig;

    yaml_document_delete(&b->document);
    bytes_release(&b->text);
    free(b);
    return rig_close(&rig);
}

static yaml_node_t *node_at(struct book *b, int index)
{
    return yaml_document_get_node(&b->document, index);
}

static const char *text_of(const yaml_node_t *n)
{
    return n != NULL && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

static size_t pairs_of(const yaml_node_t *map)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return 0;
    }
    return (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);
}

static const char *key_of(struct book *b, yaml_node_t *map, size_t i)
{
    return text_of(node_at(b, map->data.mapping.pairs.start[i].key));
}

static yaml_node_t *value_of(struct book *b, yaml_node_t *map, size_t i)
{
    return node_at(b, map->data.mapping.pairs.start[i].value);
}

static yaml_node_t *get(struct book *b, yaml_node_t *map, const char *key)
{
    size_t i;

    for (i = 0; i < pairs_of(map); i++) {
        if (strcmp(key_of(b, map, i), key) == 0) {
            return value_of(b, map, i);
        }
    }
    return NULL;
}

static size_t items_of(const yaml_node_t *list)
{
    if (list == NULL || list->type != YAML_SEQUENCE_NODE) {
        return 0;
    }
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

static yaml_node_t *item_of(struct book *b, yaml_node_t *list, size_t i)
{
    return node_at(b, list->data.sequence.items.start[i]);
}

/* Where a "#/components/..." points; the node itself when it is no reference. */
static yaml_node_t *resolve(struct book *b, yaml_node_t *n)
{
    const char *path = text_of(get(b, n, "$ref"));
    char part[100];
    yaml_node_t *at = b->root;

    if (path[0] == '\0') {
        return n;
    }
    for (path += 1; *path == '/'; path += strlen(part) + 1) {
        snprintf(part, sizeof part, "%.*s", (int)strcspn(path + 1, "/"), path + 1);
        at = get(b, at, part);
    }
    if (at == NULL) {
        fail_msg("nothing stands at %s", text_of(get(b, n, "$ref")));
    }
    return at;
}

static const struct route *route_of(const char *path, const char *method)
{
    int i;

    for (i = 0; i < routes_count; i++) {
        if (strcmp(routes[i].path, path) == 0 && strcasecmp(routes[i].method, method) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static yaml_node_t *operation_of(struct book *b, const struct route *r)
{
    yaml_node_t *path = get(b, get(b, b->root, "paths"), r->path);
    char method[16];
    size_t i;

    for (i = 0; r->method[i] != '\0'; i++) {
        method[i] = (char)(r->method[i] | 0x20);
    }
    method[i] = '\0';
    return path == NULL ? NULL : get(b, path, method);
}

static bool is_method(const char *word)
{
    return strcmp(word, "parameters") != 0 && strcmp(word, "description") != 0;
}

static void every_route_is_described(void **state)
{
    struct book *b = *state;
    int i;

    for (i = 0; i < routes_count; i++) {
        yaml_node_t *operation = operation_of(b, &routes[i]);
        yaml_node_t *list, *responses;
        unsigned roles = 0;
        size_t k;

        if (operation == NULL) {
            fail_msg("%s %s is not described", routes[i].method, routes[i].path);
        }
        list = get(b, operation, "x-florin-roles");
        assert_non_null(list);
        for (k = 0; k < items_of(list); k++) {
            enum role role;

            assert_int_equal(role_parse(slice_of(text_of(item_of(b, list, k))), &role), 0);
            roles |= 1U << role;
        }
        if (roles != routes[i].roles) {
            fail_msg("%s %s is described for other roles", routes[i].method, routes[i].path);
        }
        assert_int_equal(routes[i].body != BODY_NONE, get(b, operation, "requestBody") != NULL);
        responses = get(b, operation, "responses");
        assert_true(get(b, responses, "200") != NULL || get(b, responses, "201") != NULL);
    }
}

static void every_description_is_a_route(void **state)
{
    struct book *b = *state;
    yaml_node_t *paths = get(b, b->root, "paths");
    size_t i, k;

    for (i = 0; i < pairs_of(paths); i++) {
        yaml_node_t *path = value_of(b, paths, i);

        for (k = 0; k < pairs_of(path); k++) {
            if (is_method(key_of(b, path, k)) &&
                route_of(key_of(b, paths, i), key_of(b, path, k)) == NULL) {
                fail_msg("%s %s is described, and does not exist", key_of(b, path, k),
                         key_of(b, paths, i));
            }
        }
    }
    assert_true(pairs_of(paths) > 30);
}

/* The names in braces, in order, are the parameters that the path declares. */
static void the_ids_in_paths_are_described(void **state)
{
    struct book *b = *state;
    yaml_node_t *paths = get(b, b->root, "paths");
    size_t i;

    for (i = 0; i < pairs_of(paths); i++) {
        yaml_node_t *parameters = get(b, value_of(b, paths, i), "parameters");
        const char *brace = key_of(b, paths, i);
        size_t n = 0;

        while ((brace = strchr(brace, '{')) != NULL) {
            yaml_node_t *p = n < items_of(parameters) ? item_of(b, parameters, n) : NULL;
            const char *name = text_of(get(b, p, "name"));

            brace++;
            if (strncmp(brace, name, strlen(name)) != 0 || brace[strlen(name)] != '}') {
                fail_msg("%s: what stands for {%s", key_of(b, paths, i), brace);
            }
            assert_string_equal(text_of(get(b, p, "in")), "path");
            n++;
        }
        assert_int_equal(n, items_of(parameters));
    }
}

/* Calls as somebody who may, with x for each id in the path. */
static void call(struct book *b, const struct route *r, const char *query, const char *body)
{
    char path[200];
    const char *at;
    size_t n = 0;
    int role;

    for (at = r->path; *at != '\0'; at++) {
        path[n++] = *at == '{' ? 'x' : *at;
        if (*at == '{') {
            at = strchr(at, '}');
        }
    }
    snprintf(path + n, sizeof path - n, "%s", query);
    b->rig->key = r->roles == 0 ? "platform" : NULL;
    for (role = ROLE_PROVIDER; r->roles != 0 && role <= ROLE_AUDITOR; role++) {
        if (r->roles & 1U << role) {
            b->rig->key = role_name((enum role)role);
            break;
        }
    }
    rig_send(b->rig, r->method, path, body, body == NULL ? 0 : strlen(body));
}

static bool is_refused_as_unknown(struct book *b)
{
    return strcmp(rig_text(b->rig, "code"), "unknown_field") == 0;
}

static bool holds(struct book *b, yaml_node_t *list, const char *word)
{
    size_t i;

    for (i = 0; i < items_of(list); i++) {
        if (strcmp(text_of(item_of(b, list, i)), word) == 0) {
            return true;
        }
    }
    return false;
}

static void check_fields(struct book *b, const struct route *r, yaml_node_t *schema)
{
    yaml_node_t *properties = get(b, schema, "properties");
    yaml_node_t *required = get(b, schema, "required");
    const char *missing;
    char body[100];
    size_t i;

    call(b, r, "", "{\"no_such_field\":1}");
    assert_true(is_refused_as_unknown(b));
    for (i = 0; i < pairs_of(properties); i++) {
        snprintf(body, sizeof body, "{\"%s\":null}", key_of(b, properties, i));
        call(b, r, "", body);
        if (is_refused_as_unknown(b)) {
            fail_msg("%s %s does not know %s", r->method, r->path, key_of(b, properties, i));
        }
    }
    for (i = 0; i < items_of(required); i++) {
        assert_non_null(get(b, properties, text_of(item_of(b, required, i))));
    }
    call(b, r, "", "{}");
    missing = rig_text(b->rig, "detail");
    if (strncmp(missing, "missing field: ", 15) != 0) {
        assert_int_equal(items_of(required), 0);
    } else if (!holds(b, required, missing + 15)) {
        fail_msg("%s %s needs %s", r->method, r->path, missing + 15);
    }
}

static void every_field_is_described(void **state)
{
    struct book *b = *state;
    size_t checked = 0;
    int i;

    for (i = 0; i < routes_count; i++) {
        yaml_node_t *body = get(b, operation_of(b, &routes[i]), "requestBody");
        yaml_node_t *form = get(b, get(b, body, "content"), "application/json");

        if (body != NULL) {
            yaml_node_t *schema = resolve(b, get(b, form, "schema"));

            assert_string_equal(text_of(get(b, schema, "additionalProperties")), "false");
            assert_string_equal(text_of(get(b, body, "required")),
                                routes[i].body == BODY_REQUIRED ? "true" : "false");
            check_fields(b, &routes[i], schema);
            checked++;
        }
    }
    assert_true(checked > 20);
}

static void every_parameter_is_described(void **state)
{
    struct book *b = *state;
    char query[100];
    int i;

    for (i = 0; i < routes_count; i++) {
        yaml_node_t *parameters = get(b, operation_of(b, &routes[i]), "parameters");
        size_t k;

        for (k = 0; k < items_of(parameters); k++) {
            yaml_node_t *p = resolve(b, item_of(b, parameters, k));

            if (strcmp(text_of(get(b, p, "in")), "query") == 0) {
                snprintf(query, sizeof query, "?%s=/", text_of(get(b, p, "name")));
                call(b, &routes[i], query, NULL);
                assert_int_equal(b->rig->status, 400);
                assert_false(is_refused_as_unknown(b));
            }
        }
        if (items_of(parameters) > 0) {
            call(b, &routes[i], "?no_such_parameter=1", NULL);
            assert_true(is_refused_as_unknown(b));
        }
    }
}

static void every_refusal_of_the_ledger_is_described(void **state)
{
    struct book *b = *state;
    yaml_node_t *responses = get(b, get(b, b->root, "components"), "responses");
    const char *text = text_of(get(b, get(b, responses, "Problem"), "description"));
    unsigned v;

    for (v = 0; v < 256; v++) {
        if (verdict_known(v) && !verdict_is_success((enum verdict)v) &&
            strstr(text, verdict_code((enum verdict)v)) == NULL) {
            fail_msg("%s is not described", verdict_code((enum verdict)v));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_is_a_route),
        cmocka_unit_test(the_ids_in_paths_are_described),
        cmocka_unit_test(every_field_is_described),
        cmocka_unit_test(every_parameter_is_described),
        cmocka_unit_test(every_refusal_of_the_ledger_is_described),
    };

    return cmocka_run_group_tests(tests, open_book, close_book);
}
