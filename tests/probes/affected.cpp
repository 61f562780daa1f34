// The forms that g++ 12.2 miscompiles: each destroys something twice. They are what weft's coroutine rule forbids, and
// each rule stands only as long as its probe says "AFFECTED".
//
// What they have in common: a class temporary that the front end builds in place (an aggregate, a closure, the result of
// ?:) in a full expression with a co_await has to live in the coroutine frame. g++ moves it there bit by bit and then
// destroys both. Temporaries made by a constructor or returned by a function are promoted correctly (fine.cpp).
//
// On g++ 12 a form that is *not* affected fails this test: then the rule, the lint and this file can be relaxed.
// On any other compiler the program only reports.

#include "probe.hpp"

using namespace probe;

namespace {

struct agg
{
    tracked t;
    int     n = 7;
};
struct outer
{
    agg a;
    int k = 0;
};
struct two
{
    tracked a;
    tracked b;
};

task<int>     by_value(agg a) { co_return a.n; }
task<int>     by_reference(agg const& a) { co_return a.n; }
task<int>     by_forwarding_reference(auto&& a) { co_return a.n; }
task<int>     in_optional(std::optional<agg> a) { co_return a->n; }
task<int>     in_aggregate(outer o) { co_return o.a.n; }
task<int>     in_pair(std::pair<agg, int> p) { co_return p.first.n; }
task<int>     call(auto f) { co_return f(); }
task<int>     call_reference(auto const& f) { co_return f(); }
task<int>     take_tracked(tracked t) { co_return t.value; }
task<int>     look_tracked(tracked const& t) { co_return t.value; }
task<tracked> make(int value) { co_return tracked{value}; }
task<two>     return_braced() { co_return two{co_await make(3), co_await make(4)}; }
agg           factory(int n) { return agg{tracked{n}, n}; }

bool volatile yes = true;

// --- an aggregate prvalue ---------------------------------------------------------------------------------------

task<bool> aggregate_by_value() { co_return co_await by_value(agg{tracked{1}, 7}) == 7; }
task<bool> aggregate_by_reference() { co_return co_await by_reference(agg{tracked{1}, 7}) == 7; }
task<bool> aggregate_by_forwarding_reference() { co_return co_await by_forwarding_reference(agg{tracked{1}, 7}) == 7; }
task<bool> aggregate_as_initialiser()
{
    int const r = co_await by_value(agg{tracked{1}, 7});
    co_return r == 7;
}
task<bool> aggregate_parenthesised() { co_return co_await by_value(agg(tracked{1}, 7)) == 7; }
task<bool> aggregate_empty_braces() { co_return co_await by_value(agg{}) == 7; }
task<bool> aggregate_unnamed_braces() { co_return co_await by_value({tracked{1}, 7}) == 7; }
task<bool> aggregate_unnamed_empty_braces() { co_return co_await by_value({}) == 7; }
task<bool> aggregate_designated() { co_return co_await by_value(agg{.t = tracked{1}, .n = 7}) == 7; }
task<bool> aggregate_designated_by_reference() { co_return co_await by_reference(agg{.t = tracked{1}, .n = 7}) == 7; }
task<bool> aggregate_designated_unnamed() { co_return co_await by_value({.t = tracked{1}, .n = 7}) == 7; }
task<bool> aggregate_nested_in_optional() { co_return co_await in_optional(std::optional<agg>{agg{tracked{1}, 7}}) == 7; }
task<bool> aggregate_converted_to_optional() { co_return co_await in_optional(agg{tracked{1}, 7}) == 7; }
task<bool> aggregate_nested_in_aggregate() { co_return co_await in_aggregate(outer{agg{tracked{1}, 7}, 1}) == 7; }
task<bool> aggregate_nested_in_pair() { co_return co_await in_pair(std::pair<agg, int>{agg{tracked{1}, 7}, 1}) == 7; }

// --- an inline lambda that captures by value ---------------------------------------------------------------------

task<bool> lambda_capturing_by_value()
{
    tracked t{7};
    co_return co_await call([t] { return t.value; }) == 7;
}
task<bool> lambda_capturing_passed_by_reference()
{
    tracked t{7};
    co_return co_await call_reference([t] { return t.value; }) == 7;
}
task<bool> lambda_with_init_capture()
{
    co_return co_await call([t = tracked{7}] { return t.value; }) == 7;
}

// --- ?: that yields a class prvalue -------------------------------------------------------------------------------

task<bool> conditional_by_value() { co_return co_await take_tracked(yes ? tracked{7} : tracked{8}) == 7; }
task<bool> conditional_by_reference() { co_return co_await look_tracked(yes ? tracked{7} : tracked{8}) == 7; }
task<bool> conditional_of_factories() { co_return co_await by_value(yes ? factory(7) : factory(8)) == 7; }
task<bool> conditional_between_awaits()
{
    tracked const r = yes ? co_await make(7) : co_await make(8);
    co_return r.value == 7;
}
task<bool> conditional_with_one_await()
{
    tracked const r = yes ? co_await make(7) : tracked{8};
    co_return r.value == 7;
}

// --- an aggregate initialised with awaited members ------------------------------------------------------------------

task<bool> braces_of_awaits()
{
    two const r{co_await make(3), co_await make(4)};
    co_return r.a.value + r.b.value == 7;
}
task<bool> braces_with_one_await()
{
    agg const r{co_await make(1), 7};
    co_return r.t.value == 1 && r.n == 7;
}
task<bool> braces_of_awaits_designated()
{
    two const r{.a = co_await make(3), .b = co_await make(4)};
    co_return r.a.value + r.b.value == 7;
}
task<bool> braces_of_awaits_assigned()
{
    two const r = two{co_await make(3), co_await make(4)};
    co_return r.a.value + r.b.value == 7;
}
task<bool> braces_of_awaits_returned()
{
    two const r = co_await return_braced();
    co_return r.a.value + r.b.value == 7;
}

#define FORM(name)                                                                                                                         \
    {                                                                                                                                      \
#name, &name                                                                                                                       \
    }

form const forms[] = {
    FORM(aggregate_by_value),
    FORM(aggregate_by_reference),
    FORM(aggregate_by_forwarding_reference),
    FORM(aggregate_as_initialiser),
    FORM(aggregate_parenthesised),
    FORM(aggregate_empty_braces),
    FORM(aggregate_unnamed_braces),
    FORM(aggregate_unnamed_empty_braces),
    FORM(aggregate_designated),
    FORM(aggregate_designated_by_reference),
    FORM(aggregate_designated_unnamed),
    FORM(aggregate_nested_in_optional),
    FORM(aggregate_converted_to_optional),
    FORM(aggregate_nested_in_aggregate),
    FORM(aggregate_nested_in_pair),
    FORM(lambda_capturing_by_value),
    FORM(lambda_capturing_passed_by_reference),
    FORM(lambda_with_init_capture),
    FORM(conditional_by_value),
    FORM(conditional_by_reference),
    FORM(conditional_of_factories),
    FORM(conditional_between_awaits),
    FORM(conditional_with_one_await),
    FORM(braces_of_awaits),
    FORM(braces_with_one_await),
    FORM(braces_of_awaits_designated),
    FORM(braces_of_awaits_assigned),
    FORM(braces_of_awaits_returned),
};

}  // namespace

int main(int argc, char** argv)
{
    return main_of(argc, argv, forms, [](observation const& o) {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12
        return o.destroyed > o.constructed;
#else
        (void)o; // documented for g++ 12 only; the report above is the result
        return true;
#endif
    });
}
