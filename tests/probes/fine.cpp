// The forms that are right on every compiler weft supports: what to write instead of the forms in affected.cpp.
// Each must balance, everywhere: a failure here is a compiler on which weft cannot be used as documented.

#include "probe.hpp"

#include <string>
#include <tuple>

using namespace probe;

namespace {

struct agg
{
    tracked t;
    int     n = 7;
};
struct two
{
    tracked a;
    tracked b;
};
struct with_constructor
{
    tracked t;
    int     n;
    explicit with_constructor(int value) : t{value}, n{value} { }
};

task<int>     by_value(agg a) { co_return a.n; }
task<int>     by_reference(agg const& a) { co_return a.n; }
task<int>     in_optional(std::optional<agg> a) { co_return a->n; }
task<int>     constructed_by_value(with_constructor a) { co_return a.n; }
task<int>     constructed_by_reference(with_constructor const& a) { co_return a.n; }
task<int>     take_tuple(std::tuple<tracked, int> t) { co_return std::get<1>(t); }
task<int>     take_string(std::string s) { co_return static_cast<int>(s.size()); }
task<int>     take_int(int n) { co_return n; }
task<int>     take_tracked(tracked t) { co_return t.value; }
task<int>     add(tracked a, tracked b) { co_return a.value + b.value; }
task<int>     call(auto f) { co_return f(); }
task<tracked> make(int value) { co_return tracked{value}; }
task<agg>     make_agg(int n)
{
    agg a{tracked{n}, n};
    co_return a;
}
task<agg> return_aggregate() { co_return agg{tracked{1}, 7}; }  // no co_await in this expression
agg       factory(int n) { return agg{tracked{n}, n}; }

bool volatile yes = true;

task<bool> named_variable()
{
    agg const a{tracked{1}, 7};
    co_return co_await by_value(a) == 7;
}
task<bool> named_variable_moved()
{
    agg a{tracked{1}, 7};
    co_return co_await by_value(std::move(a)) == 7;
}
task<bool> named_variable_by_reference()
{
    agg const a{tracked{1}, 7};
    co_return co_await by_reference(a) == 7;
}
task<bool> factory_by_value() { co_return co_await by_value(factory(7)) == 7; }
task<bool> factory_by_reference() { co_return co_await by_reference(factory(7)) == 7; }
task<bool> factory_into_optional() { co_return co_await in_optional(std::optional<agg>{factory(7)}) == 7; }
task<bool> type_with_constructor() { co_return co_await constructed_by_value(with_constructor{7}) == 7; }
task<bool> type_with_constructor_by_reference() { co_return co_await constructed_by_reference(with_constructor{7}) == 7; }
task<bool> tuple_prvalue() { co_return co_await take_tuple(std::tuple<tracked, int>{tracked{1}, 7}) == 7; }
task<bool> tuple_by_make_tuple() { co_return co_await take_tuple(std::make_tuple(tracked{1}, 7)) == 7; }
task<bool> tuple_unnamed_braces() { co_return co_await take_tuple({tracked{1}, 7}) == 7; }  // weft-lint: ok a tuple has constructors
task<bool> string_literal() { co_return co_await take_string("0123456") == 7; }
task<bool> string_concatenated() { co_return co_await take_string(std::string{"a string that is "} + "on the heap") == 28; }
task<bool> lambda_without_captures()
{
    co_return co_await call([] { return tracked{7}.value; }) == 7;
}
task<bool> lambda_capturing_by_reference()
{
    tracked t{7};
    co_return co_await call([&t] { return t.value; }) == 7;  // a closure of references has nothing to destroy
}
task<bool> lambda_named()
{
    tracked    t{7};
    auto const f = [t] { return t.value; };
    co_return co_await call(f) == 7;
}
task<bool> conditional_of_numbers() { co_return co_await take_int(yes ? 7 : 8) == 7; }
task<bool> conditional_of_variables()
{
    tracked const a{7}, b{8};
    co_return co_await take_tracked(yes ? a : b) == 7;  // yields an lvalue, copied by the parameter
}
task<bool> conditional_named_first()
{
    tracked const t = yes ? tracked{7} : tracked{8};
    co_return co_await take_tracked(t) == 7;
}
task<bool> conditional_as_if()
{
    tracked t;
    if (yes)
        t = co_await make(7);
    else
        t = co_await make(8);
    co_return t.value == 7;
}
task<bool> awaits_as_arguments() { co_return co_await add(co_await make(3), co_await make(4)) == 7; }
task<bool> awaits_named_then_braces()
{
    tracked const a = co_await make(3);
    tracked const b = co_await make(4);
    two const     r{a, b};
    co_return r.a.value + r.b.value == 7;
}
task<bool> await_into_optional_braces()
{
    std::optional<tracked> const o{co_await make(7)};
    co_return o->value == 7;
}
task<bool> aggregate_as_result()
{
    agg const a = co_await make_agg(7);
    co_return a.n == 7;
}
task<bool> aggregate_result_member() { co_return (co_await make_agg(7)).n == 7; }
task<bool> aggregate_result_structured_binding()
{
    auto const [t, n] = co_await make_agg(7);
    co_return t.value == 7 && n == 7;
}
task<bool> aggregate_returned_without_await()
{
    agg const a = co_await return_aggregate();
    co_return a.n == 7;
}
task<bool> await_in_condition()
{
    if (int const r = co_await by_value(factory(7)); r == 7)
        co_return true;
    co_return false;
}

#define FORM(name)                                                                                                                         \
    {                                                                                                                                      \
#name, &name                                                                                                                       \
    }

form const forms[] = {
    FORM(named_variable),
    FORM(named_variable_moved),
    FORM(named_variable_by_reference),
    FORM(factory_by_value),
    FORM(factory_by_reference),
    FORM(factory_into_optional),
    FORM(type_with_constructor),
    FORM(type_with_constructor_by_reference),
    FORM(tuple_prvalue),
    FORM(tuple_by_make_tuple),
    FORM(tuple_unnamed_braces),
    FORM(string_literal),
    FORM(string_concatenated),
    FORM(lambda_without_captures),
    FORM(lambda_capturing_by_reference),
    FORM(lambda_named),
    FORM(conditional_of_numbers),
    FORM(conditional_of_variables),
    FORM(conditional_named_first),
    FORM(conditional_as_if),
    FORM(awaits_as_arguments),
    FORM(awaits_named_then_braces),
    FORM(await_into_optional_braces),
    FORM(aggregate_as_result),
    FORM(aggregate_result_member),
    FORM(aggregate_result_structured_binding),
    FORM(aggregate_returned_without_await),
    FORM(await_in_condition),
};

}  // namespace

int main(int argc, char** argv)
{
    return main_of(argc, argv, forms, [](observation const& o) { return o.balanced(); });
}
