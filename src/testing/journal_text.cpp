#include "src/testing/journal_text.hpp"

#include <weft/detail/json_text.hpp>

#include <map>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace testing {

namespace {

class auditor
{
public:
    void part(std::string const& text, std::size_t parts_before)
    {
        auto const  document = detail::parse_json(text);
        auto const& object = document.as_object();
        auto const  count = [&](char const* key) { return object.contains(key) ? object.at(key).to_number<std::size_t>() : 0; };
        if (count("parts") != parts_before || count("entries") != entries_)
            throw std::runtime_error("its counts are not those of the parts before it");
        for (auto const& e : object.at("journal").as_array())
            entry(e.as_object());
    }

    std::size_t entries() const noexcept { return entries_; }

private:
    void entry(boost::json::object const& e)
    {
        ++entries_;
        auto const text = [&](char const* key) { return std::string(e.at(key).as_string()); };
        auto const id = text("id");
        auto const op = text("op");
        auto const state = text("status");
        if (state != "prepared" && state != "succeed" && state != "failed")
            throw std::runtime_error("status \"" + state + "\"");
        bool const first_phase = op == "action" || op == "try";
        bool const is_new = !branches_.contains(id);
        if (is_new != e.contains("verb") || is_new != e.contains("name"))
            throw std::runtime_error("branch " + id + " is named " + (is_new ? "by none of its entries" : "twice"));
        if (is_new && !first_phase)
            throw std::runtime_error("branch " + id + " begins with " + op);
        auto& ended = branches_[id][op];
        if (ended == "succeed" || (ended == "failed" && first_phase))
            throw std::runtime_error("branch " + id + ": " + op + " ended twice");
        ended = state;
        if (e.at("at").as_int64() < last_at_)
            throw std::runtime_error("branch " + id + ": time goes backwards");
        last_at_ = e.at("at").as_int64();
    }

    std::map<std::string, std::map<std::string, std::string>> branches_;
    std::size_t                                               entries_ = 0;
    std::int64_t                                              last_at_ = 0;
};

}  // namespace

std::string wrong_with_journal(transaction const& row)
{
    try
    {
        auditor     a;
        std::size_t n = 0;
        for (auto const& part : row.parts)
            a.part(part, n++);
        a.part(row.journal, n);
        auto const facts = a.entries() + (row.status == status::prepared ? 0 : is_final(row.status) ? 2 : 1);
        if (static_cast<std::int64_t>(facts) != row.position)
            return std::to_string(a.entries()) + " entries, but position " + std::to_string(row.position);
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
    return {};
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
