/// \file
/// What starts a workflow. `engine::add` and `engine::declare` return one.
///
///     auto place = engine.add("place-order", &place_order, std::ref(our));  // a handle<receipt(order)>
///     auto done  = co_await place.execute(weft::gid("place-" + o.id), o);   // a receipt
#pragma once

#include <weft/engine.hpp>

#include <any>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {
inline namespace v0 {

namespace detail {

template <class T>
inline constexpr bool is_execute_options = std::is_same_v<std::remove_cvref_t<T>, execute_options>;

template <class T, class Signature>
concept token_for =
    !is_execute_options<T> && boost::asio::completion_token_for<std::remove_cvref_t<T>, Signature>;

/// The gid as it is given, and nothing else.
template <class T>
gid to_gid(T&& given)
{
    constexpr bool is_gid = std::is_same_v<std::remove_cvref_t<T>, gid>;
    static_assert(
        is_gid, "weft: first comes the transaction's name, which is a weft::gid: write weft::gid(order.id)");
    if constexpr (is_gid)
        return std::forward<T>(given);
    else
        return gid({});
}

template <class First, class... More>
struct last_of : last_of<More...>
{ };
template <class Last>
struct last_of<Last>
{
    using type = Last;
};

/// Whether `T` may be handed over where an `Input` is wanted. A number with a fraction does not become an
/// integer.
template <class T, class Input>
inline constexpr bool fits_as_input =
    std::is_convertible_v<T, Input> &&
    !(std::is_floating_point_v<std::remove_cvref_t<T>> && std::is_integral_v<Input>);

/// Numbers are written as they are: one that is too large for an `Input` is then refused, instead of becoming
/// another one.
template <class Input, class T>
std::string encode_input(T&& given)
{
    using type = std::remove_cvref_t<T>;
    if constexpr (std::is_same_v<type, Input> || (std::is_arithmetic_v<type> && std::is_arithmetic_v<Input>))
        return encode(given);
    else
    {
        Input const converted = std::forward<T>(given);
        return encode(converted);
    }
}

/// What a transaction that has committed returned. Errors: unreadable_result.
template <class T>
T committed_result(std::string_view text, std::string const& id)
{
    try
    {
        if (text.empty())
            throw misuse(misuse::code::bad_value, "it returns nothing");
        return decode<T>(text);
    }
    catch (std::exception const& e)
    {
        throw unreadable_result(
            std::string("the transaction has committed, but its result is not what was asked for: ") +
                e.what(),
            id);
    }
}

/// Takes apart what comes after the gid of a call that answers `Result...`: `then` is called with the input
/// as JSON text, and what follows it.
template <class... Input>
struct call_arguments;

template <>
struct call_arguments<>
{
    template <class... Result, class Then, class... Rest>
    static auto split(Then const& then, Rest&&... rest)
    {
        return then(std::string(), std::forward<Rest>(rest)...);
    }
};

template <class Input>
struct call_arguments<Input>
{
    template <class... Result, class Then>
    static auto split(Then const& then)
    {
        static_assert(!std::is_same_v<Input, Input>,
                      "weft: the input is missing: this workflow takes one, after the gid");
        return then(std::string());
    }
    template <class... Result, class Then, class Given, class... Rest>
    static auto split(Then const& then, Given&& given, Rest&&... rest)
    {
        check_awaited_argument<Given, typename last_of<boost::asio::use_awaitable_t<>, Rest...>::type,
                               Result...>();
        constexpr bool fits = fits_as_input<Given, Input>;
        static_assert(fits, "weft: this is not the workflow's input: after the gid comes the type that "
                            "handle<result(input)> names, or "
                            "what converts to it");
        if constexpr (fits)
            return then(encode_input<Input>(std::forward<Given>(given)), std::forward<Rest>(rest)...);
        else
            return then(std::string(), std::forward<Rest>(rest)...);
    }
};

}  // namespace detail

/// What is no signature.
template <class Signature>
class handle
{
    static_assert(!std::is_same_v<Signature, Signature>,
                  "weft: a handle names the workflow's result and its input: handle<receipt(order)>, or "
                  "handle<receipt()> for one that "
                  "takes none");

public:
    handle(weft::engine&, std::string);
};

/// A workflow that an engine knows: it returns an `R`, and takes an `Input`, or nothing.
///
/// Lifetimes: a handle is an engine's address and a name, and may be copied. The engine outlives it.
/// Thread safety: all members may be called from any thread.
template <class R, class... Input>
class handle<R(Input...)>
{
    static_assert(sizeof...(Input) <= 1, "weft: a workflow takes at most one input");
    static_assert(!(std::is_reference_v<R> || ... || std::is_reference_v<Input>),
                  "weft: a workflow's input and result are values");

public:
    /// The workflow that `e` knows by this name: for names that come at run time. Where the types are not those of its
    /// body, decoding says so. Errors: none here; `execute` and `submit` say misuse(unknown_workflow).
    handle(weft::engine& e, std::string name) : engine_(&e), name_(std::move(name)) { }

    /// `execute(gid [, input] [, until(…)/within(…)] [, token])`: runs the workflow to its end and returns
    /// its result. With a gid that exists already, joins it: the same gid and input give the same answer, at
    /// any time. The input is copied. Where the call is awaited, an aggregate is a variable
    /// (docs/coroutines.md).
    ///
    /// Durability: the answer comes from a durable final row (or decision, if so asked).
    /// Errors: failure – it rolled back, with reason, code and payload. unfinished – paused, stopped, or the
    /// deadline passed; `written()` says whether there is a transaction that goes on or waits.
    /// unreadable_result – it committed, and its result is no `R`. misuse – bad gid, other input, an input
    /// that does not convert: nothing was written. store_error – the store has failed for 5 s, also if the
    /// engine could not even start; or it refused the transaction; or too much waits for it already
    /// (`engine_options::queue_limit`), and then at once. `written()` says what is known: after `not_written`
    /// there is no transaction and never will be one, after `in_doubt` ask again with the same gid.
    /// Cancelling the wait never cancels the transaction.
    template <class Gid, class... Rest>
    auto execute(Gid&& id, Rest&&... rest) const
    {
        static_assert(std::is_void_v<R> || std::is_default_constructible_v<R>,
                      "weft: a result type must be default-constructible");
        using signature = typename detail::completion_signature<R>::type;
        auto const with_options = [&]<class... More>(std::string input, More&&... more) {
            constexpr bool fits = options_fit<signature, More...>();
            static_assert(fits || sizeof...(Input) == 1,
                          "weft: this workflow takes no input: after the gid come until(...) or within(...), "
                          "then a completion token, and nothing else");
            static_assert(fits || sizeof...(Input) == 0,
                          "weft: after the gid and the input come until(...) or within(...), then a "
                          "completion token, and nothing else");
            if constexpr (sizeof...(More) == 0 || !fits)
                return start<R>(detail::to_gid(std::forward<Gid>(id)), std::move(input), execute_options(),
                                boost::asio::use_awaitable_t<>());
            else if constexpr (sizeof...(More) == 2)
                return start<R>(detail::to_gid(std::forward<Gid>(id)), std::move(input),
                                std::forward<More>(more)...);
            else if constexpr ((detail::is_execute_options<More> && ...))
                return start<R>(detail::to_gid(std::forward<Gid>(id)), std::move(input), more...,
                                boost::asio::use_awaitable_t<>());
            else
                return start<R>(detail::to_gid(std::forward<Gid>(id)), std::move(input), execute_options(),
                                std::forward<More>(more)...);
        };
        if constexpr (std::is_void_v<R>)
            return detail::call_arguments<Input...>::split(with_options, std::forward<Rest>(rest)...);
        else
            return detail::call_arguments<Input...>::template split<R>(with_options,
                                                                       std::forward<Rest>(rest)...);
    }

    /// `submit(gid [, input] [, token])`: returns once the transaction is durable; it then runs by itself.
    /// Errors: as execute, except failure, unreadable_result and unfinished(paused).
    template <class Gid, class... Rest>
    auto submit(Gid&& id, Rest&&... rest) const
    {
        auto const with_token = [&]<class... Token>(std::string input, Token&&... token) {
            constexpr bool fits =
                sizeof...(Token) == 0 ||
                (sizeof...(Token) == 1 && (detail::token_for<Token, void(std::exception_ptr)> && ...));
            static_assert(fits || sizeof...(Input) == 1, "weft: this workflow takes no input: after the gid "
                                                         "comes a completion token, and nothing else");
            static_assert(fits || sizeof...(Input) == 0,
                          "weft: after the gid and the input comes a completion token, and nothing else");
            if constexpr (sizeof...(Token) == 0 || !fits)
                return start<void>(detail::to_gid(std::forward<Gid>(id)), std::move(input), std::nullopt,
                                   boost::asio::use_awaitable_t<>());
            else
                return start<void>(detail::to_gid(std::forward<Gid>(id)), std::move(input), std::nullopt,
                                   std::forward<Token>(token)...);
        };
        return detail::call_arguments<Input...>::split(with_token, std::forward<Rest>(rest)...);
    }

    /// `submit_within(session, gid [, input])`: creates the transaction within the caller's own local
    /// transaction on the store's database, where `session` is a `soci::session`: it exists if and only if
    /// the caller commits, and starts within `poll` after that.
    ///
    ///     soci::transaction t(sql);
    ///     sql << "INSERT INTO orders …";
    ///     ship.submit_within(sql, weft::gid("ship-" + id), id);
    ///     t.commit();                                            // the order and its shipment, or neither
    ///
    /// Returns false if the same transaction exists already. Durability: the caller's commit. Thread safety:
    /// as the session.
    /// Errors: misuse as `submit`, or if the session does not lead to the store's database; what the session
    /// throws. None of them ends the caller's local transaction, but on PostgreSQL an error of the session
    /// leaves it to be rolled back.
    template <class Session, class Gid, class... Rest>
    bool submit_within(Session& session, Gid&& id, Rest&&... rest) const
    {
        auto const create = [&]<class... More>(std::string input, More&&...) {
            static_assert(sizeof...(More) == 0, "weft: after the session come the gid, and the input if the "
                                                "workflow takes one, and nothing else");
            return engine_->create_within(std::any(&session), name_,
                                          detail::to_gid(std::forward<Gid>(id)).str(), std::move(input));
        };
        return detail::call_arguments<Input...>::split(create, std::forward<Rest>(rest)...);
    }

    /// As the engine's.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto query(gid id, Token&& token = {}) const
    {
        return engine_->query(std::move(id), std::forward<Token>(token));
    }
    template <class Token = boost::asio::use_awaitable_t<>>
    auto cancel(gid id, Token&& token = {}) const
    {
        return engine_->cancel(std::move(id), std::forward<Token>(token));
    }
    template <class Token = boost::asio::use_awaitable_t<>>
    auto resume(gid id, Token&& token = {}) const
    {
        return engine_->resume(std::move(id), std::forward<Token>(token));
    }

    std::string const& name() const noexcept { return name_; }
    weft::engine&      engine() const noexcept { return *engine_; }

private:
    template <class Signature, class... More>
    static constexpr bool options_fit()
    {
        if constexpr (sizeof...(More) == 0)
            return true;
        else if constexpr (sizeof...(More) == 1)
            return ((detail::is_execute_options<More> || detail::token_for<More, Signature>)&&...);
        else if constexpr (sizeof...(More) == 2)
            return []<class A, class B>(std::type_identity<A>, std::type_identity<B>) {
                return detail::is_execute_options<A> && detail::token_for<B, Signature>;
            }(std::type_identity<More>{}...);
        else
            return false;
    }

    /// Without options it is submitted.
    template <class Result, class Token>
    auto start(gid id, std::string input, std::optional<execute_options> options, Token&& token) const
    {
        auto const begin = [options](weft::engine& e, std::string name, std::string g, std::string text,
                                     auto answer) {
            e.start_execute(std::move(name), std::move(g), std::move(text), options, std::move(answer));
        };
        auto const convert = [id = id.str()](std::string text) {
            if constexpr (std::is_void_v<Result>)
                return std::monostate{};
            else
                return detail::committed_result<Result>(text, id);
        };
        return engine_->template initiate_with<Result, std::string>(
            std::forward<Token>(token), begin, convert, name_, std::move(id).str(), std::move(input));
    }

    weft::engine* engine_;
    std::string   name_;
};

}  // namespace v0
}  // namespace weft
