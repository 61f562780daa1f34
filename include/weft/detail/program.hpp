/// \file
/// A registered workflow with its types erased: how an attempt starts a body and takes its result.
#pragma once

#include <weft/workflow.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

/// A started body. Owns the frame.
class body
{
public:
    body() = default;
    template <class T>
    explicit body(workflow<T> w) noexcept : handle_(w.release())
                                          , finish_(&finish<T>)
    { }
    body(body&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), finish_(other.finish_) { }
    body& operator=(body&& other) noexcept
    {
        std::swap(handle_, other.handle_);
        std::swap(finish_, other.finish_);
        return *this;
    }
    ~body() { reset(); }

    void reset() noexcept
    {
        if (handle_)
            std::exchange(handle_, nullptr).destroy();
    }

    explicit                operator bool() const noexcept { return static_cast<bool>(handle_); }
    bool                    done() const noexcept { return handle_.done(); }
    std::coroutine_handle<> handle() const noexcept { return handle_; }

    /// After done(): the result as JSON (empty for void), or the exception that left the body.
    std::string result() const { return finish_(handle_); }

private:
    template <class T>
    static std::string finish(std::coroutine_handle<> h)
    {
        auto& p = std::coroutine_handle<workflow_promise<T>>::from_address(h.address()).promise();
        if (p.error())
            std::rethrow_exception(p.error());
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return encode(p.value());
    }

    std::coroutine_handle<> handle_;
    std::string (*finish_)(std::coroutine_handle<>) = nullptr;
};

class program
{
public:
    virtual ~program() = default;
    /// Makes the body, suspended at its beginning. Throws misuse(bad_value) if the input does not convert.
    virtual body start(context&, std::string_view input) const = 0;
    virtual bool takes_input() const noexcept = 0;

    /// Whether two inputs are the same as far as this code knows them: a struct may have got members since one was recorded.
    virtual bool same_input(std::string_view a, std::string_view b) const noexcept = 0;
};

template <class S>
S& kept_service(std::reference_wrapper<S> const& s) noexcept
{
    return s.get();
}
template <class S>
S const& kept_service(S const& s) noexcept
{
    return s;
}

/// Whether a parameter can be a reference to what is kept, and need not be one to something made of it, which would be gone when the body goes on.
template <class Param, class Kept>
inline constexpr bool binds_to = true;
template <class P, class K>
inline constexpr bool binds_to<P&, K&> = !std::is_convertible_v<K&, P&> || std::is_convertible_v<K*, P*>;

/// A body that takes the context, `Services` and then `Input` (or nothing, `Input` = void).
template <class T, class Params, class... Services>
class program_of;

template <class T, class... Params, class... Services>
class program_of<T, std::tuple<Params...>, Services...> final : public program
{
public:
    using function = workflow<T> (*)(context&, Params...);
    static constexpr bool as_many = sizeof...(Params) == sizeof...(Services) || sizeof...(Params) == sizeof...(Services) + 1;
    static constexpr bool has_input = sizeof...(Params) > sizeof...(Services);
    using input_type =
        typename std::conditional_t<has_input, std::tuple_element<sizeof...(Params) - has_input, std::tuple<Params..., void>>,
                                    std::type_identity<void>>::type;

    /// Each service, as it is kept, for the parameter in its place.
    static constexpr auto services_fit = []<std::size_t... I>(std::index_sequence<I...>)
    {
        using params = std::tuple<Params..., void>;
        using given = std::tuple<Services...>;
        struct
        {
            bool kept, all, bound;
        } fit{true, true, true};
        if constexpr (as_many)
        {
            // A copy that is to be changed.
            fit.kept = ((!std::is_lvalue_reference_v<std::tuple_element_t<I, params>> ||
                         std::is_const_v<std::remove_reference_t<std::tuple_element_t<I, params>>> ||
                         !std::is_same_v<std::remove_cvref_t<std::tuple_element_t<I, params>>, std::tuple_element_t<I, given>>)&&...);
            fit.all = (std::is_convertible_v<decltype(detail::kept_service(std::declval<std::tuple_element_t<I, given> const&>())),
                                             std::tuple_element_t<I, params>> &&
                       ...);
            fit.bound = (binds_to<std::tuple_element_t<I, params>,
                                  decltype(detail::kept_service(std::declval<std::tuple_element_t<I, given> const&>()))> &&
                         ...);
        }
        return fit;
    }
    (std::index_sequence_for<Services...>());
    static constexpr bool input_fits = !has_input || !std::is_reference_v<input_type>;
    static constexpr bool fits = as_many && services_fit.all && input_fits;

    static_assert(as_many, "weft: a body takes weft::context&, then the services given to add, then at most one input");
    static_assert(services_fit.kept,
                  "weft: this body takes a service by reference, and add was given the service itself, which it would copy: give it "
                  "std::ref(service)");
    static_assert(services_fit.bound,
                  "weft: this body takes a service by reference, and add was given something else, of which each attempt would make a "
                  "temporary one: give it std::ref(service), or a value of the parameter's type");
    static_assert(services_fit.all || !services_fit.kept,
                  "weft: a body takes the services in the order in which add is given them, and one of them is of another type");
    static_assert(input_fits, "weft: a body takes its input by value: it must live in the coroutine's frame");

    explicit program_of(function f, Services... s) : function_(f), services_(std::move(s)...) { }

    body start(context& wf, std::string_view input) const override
    {
        if constexpr (fits)
            return std::apply(
                [&](auto const&... s) {
                    if constexpr (has_input)
                        return body(function_(wf, detail::kept_service(s)..., decode<input_type>(input)));
                    else
                        return body(function_(wf, detail::kept_service(s)...));
                },
                services_);
        else
            return {};
    }

    bool takes_input() const noexcept override { return has_input; }

    bool same_input(std::string_view a, std::string_view b) const noexcept override
    {
        if (a == b)
            return true;
        if constexpr (has_input && fits)
            try
            {
                return same_value<input_type>(a, b);
            }
            catch (...)
            { }
        return false;
    }

private:
    function                function_;
    std::tuple<Services...> services_;
};

template <class T, class... Params, class... Services>
std::unique_ptr<program> make_program(workflow<T> (*f)(context&, Params...), Services&&... services)
{
    return std::make_unique<program_of<T, std::tuple<Params...>, std::decay_t<Services>...>>(f, std::forward<Services>(services)...);
}

/// A body as a function: as it is, or as what a lambda without captures converts to.
template <class Body>
constexpr auto body_pointer(Body body)
{
    if constexpr (std::is_pointer_v<Body>)
        return body;
    else
    {
        static_assert(std::is_empty_v<Body>,
                      "weft: a workflow body is a function: what it needs besides its input are services, given to add");
        return +body;
    }
}

/// What is no body.
template <class F, class... Services>
std::unique_ptr<program> make_program(F, Services&&...)
{
    static_assert(!std::is_same_v<F, F>,
                  "weft: a body is a function that takes weft::context& as its first parameter and returns weft::workflow<T>");
    return nullptr;
}

/// `receipt(order)` of a body that takes an order after `services` services, and returns a receipt.
template <std::size_t services, class T, class... Params>
constexpr auto signature_of_function(workflow<T> (*)(context&, Params...))
{
    if constexpr (sizeof...(Params) == services + 1)
        return std::type_identity<T(std::remove_cvref_t<std::tuple_element_t<services, std::tuple<Params...>>>)>{};
    else
        return std::type_identity<T()>{};
}
/// What is no body has been refused.
template <std::size_t services, class F>
constexpr auto signature_of_function(F)
{
    return std::type_identity<void()>{};
}

template <class Body, class... Services>
using signature_of =
    typename decltype(signature_of_function<sizeof...(Services)>(detail::body_pointer(std::declval<Body>())))::type;

}  // namespace detail
}  // namespace v0
}  // namespace weft
