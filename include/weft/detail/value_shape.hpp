/// \file
/// How a type is written as JSON: as Boost.JSON would, with its own names for the ways.
#pragma once

#include <weft/detail/json_text.hpp>

#include <boost/describe/bases.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/json/conversion.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <boost/mp11/algorithm.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft {
inline namespace v0 {

/// Specialise it as true for a described struct of which recorded data must have exactly the members that it has now: no more and no fewer.
///
///     template <>
///     inline constexpr bool weft::exact_members<order> = true;
///
/// Otherwise members that are missing have their defaults, and unknown ones are passed over (docs/upgrading.md).
template <class T>
inline constexpr bool exact_members = false;

/// Specialise it as true for a described struct with members that are left out of its BOOST_DESCRIBE_STRUCT on purpose: they are not recorded,
/// and have their defaults after a crash. Otherwise a member that is left out does not compile.
///
///     template <>
///     inline constexpr bool weft::undescribed_members<order> = true;
template <class T>
inline constexpr bool undescribed_members = false;

namespace detail {

enum class shape : std::uint8_t
{
    optional,
    variant,
    bytes,
    user,  // has conversions of its own: tag_invoke
    json,  // is JSON
    boolean,
    integer,
    floating,
    null,
    string,
    map,  // an object
    sequence,
    tuple,
    described,
    enumeration,
    none
};

template <class T>
inline constexpr bool is_std_optional = false;
template <class T>
inline constexpr bool is_std_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_std_variant = false;
template <class... T>
inline constexpr bool is_std_variant<std::variant<T...>> = true;

template <class T>
concept written_by_user = requires(boost::json::value& to, T const& from)
{
    tag_invoke(boost::json::value_from_tag(), to, from);
};
template <class T>
concept read_by_user = requires(boost::json::value const& from)
{
    tag_invoke(boost::json::value_to_tag<T>(), from);
}
|| requires(boost::json::value const& from) { tag_invoke(boost::json::try_value_to_tag<T>(), from); };

/// An array whose size is part of its type.
template <class T>
concept fixed_size = requires
{
    std::tuple_size<T>::value;
};

/// A container whose order depends on its history.
template <class T>
concept unordered = requires
{
    typename T::hasher;
};

template <class T, bool ByUser>
constexpr shape shape_of() noexcept
{
    namespace json = boost::json;
    if constexpr (is_std_optional<T>)
        return shape::optional;
    else if constexpr (is_std_variant<T>)
        return shape::variant;
    else if constexpr (std::is_same_v<T, bytes> || std::is_same_v<T, std::vector<std::byte>>)
        return shape::bytes;
    else if constexpr (ByUser)
        return shape::user;
    else if constexpr (std::is_same_v<T, json::value> || std::is_same_v<T, json::object> || std::is_same_v<T, json::array> ||
                       std::is_same_v<T, json::string>)
        return shape::json;
    else if constexpr (std::is_same_v<T, bool>)
        return shape::boolean;
    else if constexpr (std::is_integral_v<T>)
        return shape::integer;
    else if constexpr (std::is_floating_point_v<T>)
        return shape::floating;
    else if constexpr (json::is_null_like<T>::value)
        return shape::null;
    else if constexpr (json::is_string_like<T>::value)
        return shape::string;
    else if constexpr (json::is_map_like<T>::value)
        return shape::map;
    else if constexpr (json::is_sequence_like<T>::value)
        return shape::sequence;
    else if constexpr (json::is_tuple_like<T>::value)
        return shape::tuple;
    else if constexpr (json::is_described_class<T>::value)
        return shape::described;
    else if constexpr (json::is_described_enum<T>::value)
        return shape::enumeration;
    else
        return shape::none;
}

template <class T>
inline constexpr shape written_as = shape_of<T, written_by_user<T>>();
template <class T>
inline constexpr shape read_as = shape_of<T, read_by_user<T>>();

template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;
template <class T>
inline constexpr std::size_t member_count = boost::mp11::mp_size<members_of<T>>::value;

template <class Pointer>
inline constexpr bool points_to_array = false;
template <class T, class Member>
inline constexpr bool points_to_array<Member T::*> = std::is_array_v<Member>;
template <class Described>
using is_array_member = std::bool_constant<points_to_array<std::remove_cv_t<decltype(Described::pointer)>>>;

// What any member, or base, can be initialised with, unless it is empty: there is nothing to lose. (Two ways, as Boost.PFR has them: with one
// alone some members are ambiguous.)
struct anything
{
    template <class U>
    requires(!std::is_empty_v<U>) constexpr operator U&() const&& noexcept;
};
struct anything_moved
{
    template <class U>
    requires(!std::is_empty_v<U>) constexpr operator U() const&& noexcept;
};

/// Whether an aggregate takes so many initialisers.
template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) noexcept
{
    using given = std::conditional_t<std::is_copy_constructible_v<T>, anything, anything_moved>;
    return requires { T{(static_cast<void>(I), given{})...}; };
}

/// False if a struct has a member, or a base, that is not described. What is no aggregate passes, and so does one with an array, which takes
/// several initialisers.
template <class T>
constexpr bool describes_all() noexcept
{
    namespace describe = boost::describe;
    using own = describe::describe_members<T, describe::mod_public>;
    using bases = describe::describe_bases<T, describe::mod_public>;
    if constexpr (undescribed_members<T> || !std::is_aggregate_v<T>)
        return true;
    else if constexpr (boost::mp11::mp_any_of<own, is_array_member>::value)
        return true;
    else
        return !takes<T>(std::make_index_sequence<boost::mp11::mp_size<own>::value + boost::mp11::mp_size<bases>::value + 1>());
}

template <class T>
constexpr void check_described()
{
    static_assert(describes_all<T>(), "weft: a member (or a base) of this struct is not in its BOOST_DESCRIBE_STRUCT and would be lost: "
                                      "describe it, or, if that is meant, "
                                      "specialise weft::undescribed_members for the struct as true");
}

template <class T>
using element_of = typename std::iterator_traits<decltype(std::begin(std::declval<T&>()))>::value_type;

/// The kinds of JSON that a type can be written as, as bits: what overlaps in a variant has to be looked at.
namespace json_kind {
inline constexpr unsigned null = 1, boolean = 2, integer = 4, floating = 8, string = 16, array = 32, object = 64, any = 127;
}

template <class T>
constexpr unsigned kinds_of() noexcept
{
    constexpr auto as = written_as<T>;
    if constexpr (as == shape::optional)
        return json_kind::null | json_kind::object | kinds_of<typename T::value_type>();
    else if constexpr (as == shape::variant)
        return []<class... A>(std::type_identity<std::variant<A...>>) {
            return (json_kind::object | ... | kinds_of<A>());
        }(std::type_identity<T>());
    else if constexpr (as == shape::boolean)
        return json_kind::boolean;
    else if constexpr (as == shape::integer)
        return json_kind::integer;
    else if constexpr (as == shape::floating)
        return json_kind::floating;
    else if constexpr (as == shape::null)
        return json_kind::null;
    else if constexpr (as == shape::string || as == shape::bytes)
        return json_kind::string;
    else if constexpr (as == shape::map || as == shape::described)
        return json_kind::object;
    else if constexpr (as == shape::sequence || as == shape::tuple)
        return json_kind::array;
    else if constexpr (as == shape::enumeration)
        return json_kind::string | json_kind::integer;
    else
        return json_kind::any;
}

/// What stands around a value that would be taken for another one without it: an empty optional within an optional, an alternative of a
/// variant that an earlier one would be read as.
inline constexpr std::string_view wrapped_value = "weft:value";
inline constexpr std::string_view wrapped_alternative = "weft:alternative";

}  // namespace detail
}  // namespace v0
}  // namespace weft
