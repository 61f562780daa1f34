/// \file
/// A value from JSON, by its type. Recorded data may be older or newer than the program: members that are missing have their defaults, and
/// unknown ones are passed over.
#pragma once

#include <weft/detail/value_shape.hpp>

#include <boost/describe/enum_from_string.hpp>

#include <algorithm>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

enum class source : std::uint8_t
{
    recorded,  ///< what weft wrote
    foreign,   ///< what a service answered: members that are missing are an error, unless they are optional
    exact      ///< as one alternative of a variant: exactly what this type is written as
};

[[noreturn]] void          throw_unexpected(char const* what);
[[noreturn]] void          throw_in_member(char const* member);  ///< rethrows the exception in flight. Call inside a catch block.
[[noreturn]] void          throw_missing(char const* member);
boost::json::array const&  array_in(boost::json::value const&);
boost::json::object const& object_in(boost::json::value const&);
std::string_view           string_in(boost::json::value const&);
std::vector<std::byte>     bytes_in(boost::json::value const&);

class json_reader
{
public:
    explicit json_reader(source from) noexcept : from_(from) { }

    /// Errors: misuse(bad_value); what the conversions of `T` throw.
    template <class T>
    T read(boost::json::value const& v) const
    {
        constexpr auto as = read_as<T>;
        static_assert(as != shape::none, "weft: this type does not convert from JSON: describe it with BOOST_DESCRIBE_STRUCT, or give it "
                                         "Boost.JSON's tag_invoke");
        if constexpr (as == shape::optional)
            return read_optional<T>(v);
        else if constexpr (as == shape::variant)
            return read_variant(v, std::type_identity<T>());
        else if constexpr (as == shape::bytes)
        {
            auto const data = bytes_in(v);
            return T(data.begin(), data.end());
        }
        else if constexpr (as == shape::user || as == shape::json)
            return boost::json::value_to<T>(v);
        else if constexpr (as == shape::boolean)
            return v.is_bool() ? v.get_bool() : (throw_unexpected("not a bool"), false);
        else if constexpr (as == shape::integer || as == shape::floating)
        {
            if (from_ == source::exact && v.is_double() != (as == shape::floating))
                throw_unexpected("a number of another kind");
            boost::json::error_code failed;
            auto const              n = v.to_number<T>(failed);
            if (failed)
                throw_unexpected(v.is_number() ? "a number that does not fit" : "not a number");
            return n;
        }
        else if constexpr (as == shape::null)
            return v.is_null() ? T{} : (throw_unexpected("not null"), T{});
        else if constexpr (as == shape::string)
            return T(string_in(v));
        else if constexpr (as == shape::map)
            return read_map<T>(object_in(v));
        else if constexpr (as == shape::sequence)
            return read_sequence<T>(array_in(v));
        else if constexpr (as == shape::tuple)
            return read_tuple<T>(array_in(v), std::make_index_sequence<std::tuple_size_v<T>>());
        else if constexpr (as == shape::described)
            return read_described<T>(object_in(v));
        else if constexpr (as == shape::enumeration)
            return read_enumeration<T>(v);
    }

private:
    template <class T>
    T read_map(boost::json::object const& from) const
    {
        using key = std::remove_cv_t<typename element_of<T>::first_type>;
        using mapped = typename element_of<T>::second_type;
        T all;
        if constexpr (requires { all.reserve(from.size()); })
            all.reserve(from.size());
        for (auto const& member : from)
            all.emplace(key(std::string_view(member.key().data(), member.key().size())), read<mapped>(member.value()));
        return all;
    }

    template <class T>
    T read_sequence(boost::json::array const& from) const
    {
        using element = element_of<T>;
        if constexpr (fixed_size<T>)
        {
            if (from.size() != std::tuple_size_v<T>)
                throw_unexpected("an array of another size");
            T all;
            std::transform(from.begin(), from.end(), all.begin(), [this](auto const& v) { return read<element>(v); });
            return all;
        }
        else
        {
            T all;
            if constexpr (requires { all.reserve(from.size()); })
                all.reserve(from.size());
            for (auto const& v : from)
                all.insert(all.end(), read<element>(v));
            return all;
        }
    }

    template <class T, std::size_t... I>
    T read_tuple(boost::json::array const& from, std::index_sequence<I...>) const
    {
        if (from.size() != sizeof...(I))
            throw_unexpected("an array of another size");
        return T(read<std::remove_cvref_t<std::tuple_element_t<I, T>>>(from[I])...);
    }

    template <class T>
    T read_described(boost::json::object const& from) const
    {
        check_described<T>();
        constexpr auto count = member_count<T>;
        bool const     exact = from_ == source::exact || exact_members<T>;
        auto const     known = known_members<T>(from);
        if (exact && from.size() != known)
            throw_unexpected("it has a member that this type does not have");
        if (from_ == source::recorded && count > 0 && known == 0 && !from.empty())
            throw_unexpected("none of its members is one of this type's");
        T all{};
        boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
            using type = std::remove_cvref_t<decltype(all.*member.pointer)>;
            auto const* const found = from.if_contains(member.name);
            if (found)
                try
                {
                    all.*member.pointer = read<type>(*found);
                }
                catch (...)
                {
                    throw_in_member(member.name);
                }
            else if (exact || (from_ == source::foreign && !is_std_optional<type>))
                throw_missing(member.name);
        });
        return all;
    }

    template <class T>
    static std::size_t known_members(boost::json::object const& from)
    {
        std::size_t known = 0;
        boost::mp11::mp_for_each<members_of<T>>([&](auto member) { known += from.contains(member.name); });
        return known;
    }

    template <class T>
    T read_enumeration(boost::json::value const& v) const
    {
        if (v.is_int64() || v.is_uint64())  // a value without a name
            return static_cast<T>(read<std::underlying_type_t<T>>(v));
        T          e{};
        auto const name = string_in(v);
        if (name.find('\0') != std::string_view::npos || !boost::describe::enum_from_string(std::string(name).c_str(), e))
            throw_unexpected("not one of the enumeration's names");
        return e;
    }

    template <class T>
    T read_optional(boost::json::value const& v) const
    {
        using type = typename T::value_type;
        if (v.is_null())
            return T();
        if (auto const* const o = v.if_object(); o && o->size() == 1 && from_ != source::foreign)
            if (auto const* const wrapped = o->if_contains(boost::json::string_view(wrapped_value.data(), wrapped_value.size())))
                return T(std::in_place, read<type>(*wrapped));
        return T(std::in_place, read<type>(v));
    }

    template <class... A>
    std::variant<A...> read_variant(boost::json::value const& v, std::type_identity<std::variant<A...>>) const
    {
        using variant = std::variant<A...>;
        constexpr auto indices = std::index_sequence_for<A...>();
        if (auto const* const o = v.if_object(); o && o->size() == 2 && from_ != source::foreign)
        {
            auto const* const which = o->if_contains(boost::json::string_view(wrapped_alternative.data(), wrapped_alternative.size()));
            auto const* const value = o->if_contains(boost::json::string_view(wrapped_value.data(), wrapped_value.size()));
            if (which && value && which->is_int64())
                return read_alternative<variant>(static_cast<std::size_t>(which->get_int64()), *value, indices);
        }
        // The first that it is written as.
        std::optional<variant> found;
        each_alternative(indices, [&](auto i) {
            using type = std::variant_alternative_t<i, variant>;
            if (!found && could_be<type>(v, true))
                json_reader(source::exact).attempt<type>(v, [&](type&& value) { found.emplace(std::in_place_index<i>, std::move(value)); });
        });
        if (!found && from_ != source::exact)
            found = closest<variant>(v, indices);
        if (!found)
            throw_unexpected("none of the variant's alternatives");
        return std::move(*found);
    }

    /// What a program with other structs wrote: the alternative that knows most of it.
    template <class Variant, std::size_t... I>
    std::optional<Variant> closest(boost::json::value const& v, std::index_sequence<I...> indices) const
    {
        std::optional<Variant>              found;
        std::pair<std::size_t, std::size_t> best;
        bool                                several = false;
        each_alternative(indices, [&](auto i) {
            using type = std::variant_alternative_t<i, Variant>;
            if (!could_be<type>(v, false))
                return;
            attempt<type>(v, [&](type&& value) {
                auto const misses = misfit<type>(v);
                if (!found || misses < best)
                {
                    found.emplace(std::in_place_index<i>, std::move(value));
                    best = misses;
                    several = false;
                }
                else if (misses == best)
                    several = several || read_as<type> == shape::described;
            });
        });
        if (several)
            throw_unexpected("it could be more than one of the variant's alternatives");
        return found;
    }

    /// How many members the struct does not know, and how many it lacks.
    template <class T>
    static std::pair<std::size_t, std::size_t> misfit(boost::json::value const& v)
    {
        if constexpr (read_as<T> == shape::described)
        {
            auto const known = known_members<T>(v.get_object());
            return {v.get_object().size() - known, member_count<T> - known};
        }
        else
            return {};
    }

    template <class T, class Take>
    void attempt(boost::json::value const& v, Take take) const
    {
        std::optional<T> value;
        try
        {
            value.emplace(read<T>(v));
        }
        catch (std::exception const&)
        {
            return;
        }
        take(std::move(*value));
    }

    /// Without an exception for what cannot be.
    template <class T>
    static bool could_be(boost::json::value const& v, bool exact)
    {
        constexpr auto kinds = kinds_of<T>();
        unsigned       kind = json_kind::null;
        switch (v.kind())
        {
        case boost::json::kind::null:
            break;
        case boost::json::kind::bool_:
            kind = json_kind::boolean;
            break;
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
            kind = exact ? json_kind::integer : json_kind::integer | json_kind::floating;
            break;
        case boost::json::kind::double_:
            kind = exact ? json_kind::floating : json_kind::integer | json_kind::floating;
            break;
        case boost::json::kind::string:
            kind = json_kind::string;
            break;
        case boost::json::kind::array:
            kind = json_kind::array;
            break;
        case boost::json::kind::object:
            kind = json_kind::object;
            break;
        }
        if ((kind & kinds) == 0)
            return false;
        if constexpr (read_as<T> == shape::described)
            return !exact || (v.get_object().size() == member_count<T> && known_members<T>(v.get_object()) == member_count<T>);
        else
            return true;
    }

    template <std::size_t... I, class F>
    static void each_alternative(std::index_sequence<I...>, F f)
    {
        (f(std::integral_constant<std::size_t, I>()), ...);
    }

    template <class Variant, std::size_t... I>
    Variant read_alternative(std::size_t which, boost::json::value const& v, std::index_sequence<I...> indices) const
    {
        std::optional<Variant> found;
        each_alternative(indices, [&](auto i) {
            if (which == i)
                found.emplace(std::in_place_index<i>, read<std::variant_alternative_t<i, Variant>>(v));
        });
        if (!found)
            throw_unexpected("an alternative that the variant does not have");
        return std::move(*found);
    }

    source from_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
