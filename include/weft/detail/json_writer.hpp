/// \file
/// A value as JSON text, straight from its type: byte for byte what Boost.JSON would write, but for what that could not read back.
#pragma once

#include <weft/detail/json_reader.hpp>
#include <weft/detail/value_shape.hpp>

#include <boost/describe/enum_to_string.hpp>
#include <boost/json/monotonic_resource.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

enum class form : std::uint8_t
{
    recorded,
    compared,  ///< for digests: members of a struct that have their defaults are left out, and what has no order is sorted
    as_before  ///< as the first versions wrote it: for digests that they left behind
};

/// Whether a `T` differs between the forms.
template <class T>
constexpr bool differs_when_compared() noexcept
{
    constexpr auto as = written_as<T>;
    if constexpr (as == shape::described || as == shape::variant || as == shape::optional || unordered<T>)
        return true;
    else if constexpr (as == shape::map || as == shape::sequence)
        return differs_when_compared<element_of<T>>();
    else if constexpr (as == shape::tuple)
        return []<std::size_t... I>(std::index_sequence<I...>)
        {
            return (differs_when_compared<std::remove_cvref_t<std::tuple_element_t<I, T>>>() || ...);
        }
    (std::make_index_sequence<std::tuple_size_v<T>>());
    else return false;
}

class json_writer
{
public:
    explicit json_writer(std::string& to, form how = form::recorded, std::size_t depth = 0) noexcept
        : to_(to)
        , form_(how)
        , depth_(depth) { }

    /// Errors: misuse(bad_value) if it could not be read back; what the conversions of `T` throw.
    template <class T>
    void write(T const& v)
    {
        constexpr auto as = written_as<T>;
        static_assert(as != shape::none, "weft: this type does not convert to JSON: describe it with BOOST_DESCRIBE_STRUCT, or give it "
                                         "Boost.JSON's tag_invoke");
        if constexpr (as == shape::optional)
            write_optional(v);
        else if constexpr (as == shape::variant)
            write_variant(v);
        else if constexpr (as == shape::bytes)
            append_base64(to_, v.data(), v.size());
        else if constexpr (as == shape::user)
            write_user(v);
        else if constexpr (as == shape::json)
            write_json(v);
        else if constexpr (as == shape::boolean)
            to_ += v ? "true" : "false";
        else if constexpr (as == shape::integer)
        {
            static_assert(sizeof(T) <= 8, "weft: a number of more than 64 bits cannot be recorded");
            append_json_number(to_, static_cast<std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>(v));
        }
        else if constexpr (as == shape::floating)
        {
            static_assert(sizeof(T) <= 8, "weft: a long double would not come back as it went: record a double");
            append_json_number(to_, static_cast<double>(v));
        }
        else if constexpr (as == shape::null)
            to_ += "null";
        else if constexpr (as == shape::string)
        {
            auto const text = static_cast<boost::json::string_view>(v);
            append_json_string(to_, std::string_view(text.data(), text.size()));
        }
        else if constexpr (as == shape::map)
            write_elements(v, '{', '}', [](json_writer& w, auto const& element) {
                auto const key = static_cast<boost::json::string_view>(element.first);
                append_json_string(w.to_, std::string_view(key.data(), key.size()));
                w.to_ += ':';
                w.write(element.second);
            });
        else if constexpr (as == shape::sequence)
            write_elements(v, '[', ']', [](json_writer& w, auto const& element) { w.write(element); });
        else if constexpr (as == shape::tuple)
            write_tuple(v, std::make_index_sequence<std::tuple_size_v<T>>());
        else if constexpr (as == shape::described)
            write_described(v);
        else if constexpr (as == shape::enumeration)
        {
            if (char const* const name = boost::describe::enum_to_string(v, nullptr))
                append_json_string(to_, name);
            else
                write(static_cast<std::underlying_type_t<T>>(v));
        }
    }

private:
    void open(char bracket)
    {
        if (++depth_ > depth_limit)
            throw_too_deep();
        to_ += bracket;
    }
    void close(char bracket)
    {
        --depth_;
        to_ += bracket;
    }
    void comma(bool& first)
    {
        if (!std::exchange(first, false))
            to_ += ',';
    }

    template <class T>
    void write_user(T const& v)
    {
        // Small values, the usual case, are built without touching the heap.
        unsigned char                   room[1024];
        boost::json::monotonic_resource memory{room, sizeof room};
        append_json(to_, boost::json::value_from(v, &memory), depth_);
    }

    template <class T>
    void write_json(T const& v)
    {
        if constexpr (std::is_same_v<T, boost::json::value>)
            append_json(to_, v, depth_);
        else
            append_json(to_, boost::json::value(v), depth_);
    }

    template <class T, class Element>
    void write_elements(T const& v, char before, char after, Element element)
    {
        using value_type = element_of<T const>;
        open(before);
        if constexpr (unordered<T>)
            if (form_ == form::compared)
            {
                std::vector<std::string> texts;
                for (auto&& e : v)
                {
                    json_writer each(texts.emplace_back(), form_, depth_);
                    element(each, static_cast<value_type const&>(e));
                }
                std::sort(texts.begin(), texts.end());
                bool first = true;
                for (auto const& text : texts)
                {
                    comma(first);
                    to_ += text;
                }
                return close(after);
            }
        bool first = true;
        for (auto&& e : v)
        {
            comma(first);
            element(*this, static_cast<value_type const&>(e));
        }
        close(after);
    }

    template <class T, std::size_t... I>
    void write_tuple(T const& v, std::index_sequence<I...>)
    {
        using std::get;
        open('[');
        bool first = true;
        ((comma(first), write(get<I>(v))), ...);
        close(']');
    }

    template <class T>
    void write_described(T const& v)
    {
        check_described<T>();
        std::array<std::string, member_count<T>> const* defaults = nullptr;
        if (form_ == form::compared)
            defaults = &defaults_of<T>();
        open('{');
        bool first = true;
        boost::mp11::mp_for_each<boost::mp11::mp_iota_c<member_count<T>>>([&](auto index) {
            using member = boost::mp11::mp_at<members_of<T>, decltype(index)>;
            auto const before = to_.size();
            bool const was_first = first;
            comma(first);
            append_json_string(to_, member::name);
            to_ += ':';
            auto const value = to_.size();
            write(v.*member::pointer);
            if (defaults && std::string_view(to_).substr(value) == (*defaults)[index])
            {
                to_.resize(before);
                first = was_first;
            }
        });
        close('}');
    }

    /// What the members of a default-constructed `T` are compared with; empty for one that cannot be recorded.
    template <class T>
    static std::array<std::string, member_count<T>> const& defaults_of()
    {
        static auto const texts = [] {
            std::array<std::string, member_count<T>> all;
            if constexpr (std::is_default_constructible_v<T>)
            {
                T const standard{};
                boost::mp11::mp_for_each<boost::mp11::mp_iota_c<member_count<T>>>([&](auto index) {
                    using member = boost::mp11::mp_at<members_of<T>, decltype(index)>;
                    try
                    {
                        json_writer(all[index], form::compared).write(standard.*member::pointer);
                    }
                    catch (...)
                    {
                        all[index].clear();
                    }
                });
            }
            return all;
        }();
        return texts;
    }

    template <class T>
    void write_optional(std::optional<T> const& v)
    {
        if (!v)
        {
            to_ += "null";
            return;
        }
        auto const before = to_.size();
        write(*v);
        constexpr auto as = written_as<T>;
        constexpr bool plain = as != shape::optional && as != shape::variant && as != shape::null && as != shape::json &&
                               as != shape::user && as != shape::map;
        if constexpr (!plain)
            if (auto const text = std::string_view(to_).substr(before);
                form_ != form::as_before && (text == "null" || text.starts_with(R"({"weft:value":)")))
                wrap(before, R"({"weft:value":)", *v);
    }

    template <class... A>
    void write_variant(std::variant<A...> const& v)
    {
        auto const before = to_.size();
        std::visit([&](auto const& alternative) { write(alternative); }, v);
        if (form_ == form::as_before)
            return;
        static constexpr unsigned kinds[] = {kinds_of<A>()...};
        auto const                mine = kinds[v.index()];
        bool                      plain = true;
        for (std::size_t i = 0; i < v.index(); ++i)
            plain = plain && (kinds[i] & mine) == 0;
        auto const text = std::string_view(to_).substr(before);
        // A digest is not read back, and what it leaves out would mislead a reader: it always says which one it is.
        bool const misread = !plain && (form_ == form::compared ||
                                        json_reader(source::recorded).read<std::variant<A...>>(parse_json(text)).index() != v.index());
        if (misread || text.starts_with(R"({"weft:alternative":)"))
        {
            auto const head = R"({"weft:alternative":)" + std::to_string(v.index()) + R"(,"weft:value":)";
            std::visit([&](auto const& alternative) { wrap(before, head, alternative); }, v);
        }
    }

    /// What was written from `before` on, once more as the value of an object: one level deeper.
    template <class T>
    void wrap(std::size_t before, std::string_view head, T const& v)
    {
        to_.resize(before);
        if (++depth_ > depth_limit)
            throw_too_deep();
        to_ += head;
        write(v);
        to_ += '}';
        --depth_;
    }

    std::string& to_;
    form         form_;
    std::size_t  depth_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
