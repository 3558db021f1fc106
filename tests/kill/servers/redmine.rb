# A Redmine project for the journeys, run by `rails runner` on an empty, migrated database: a tracker whose issues are
# milestones, its workflow and custom fields, and the people who work there. Prints the ids of the custom fields and
# statuses and everybody's API key.

Setting.rest_api_enabled = '1'
Setting.login_required = '1'

names = ['New', 'In progress', 'Ready for acceptance', 'Rejected', 'Accepted', 'Done']
statuses = names.to_h { |name| [name, IssueStatus.create!(name: name, is_closed: %w[Accepted Done].include?(name))] }
tracker = Tracker.create!(name: 'Milestone', default_status: statuses['New'])
IssuePriority.create!(name: 'Normal', is_default: true)

def role(name, permissions)
  Role.create!(name: name, permissions: permissions, issues_visibility: 'all', users_visibility: 'members_of_visible_projects')
end
working = role('Consultant', %i[view_issues add_issues edit_issues delete_issues])
accepting = role('Customer', %i[view_issues edit_issues])
billing = role('Billing', %i[view_issues edit_issues])
[working, accepting, billing].each do |role|
  statuses.values.permutation(2) do |from, to|
    WorkflowTransition.create!(tracker: tracker, role: role, old_status: from, new_status: to)
  end
  WorkflowTransition.create!(tracker: tracker, role: role, old_status_id: 0, new_status: statuses['New'])
end

fields = {
  'contract' => ['string'], 'milestone' => ['string'], 'amount' => ['float'],
  'evidence' => ['list', { multiple: true, possible_values: ['Test report', 'Handover protocol'] }],
  'acceptance_document' => ['link'],
  'approver_role' => ['list', { possible_values: ['Project sponsor', 'Steering committee'] }],
  'portion' => ['float'], 'criteria' => ['text'], 'window_days' => ['int'], 'deemed' => ['bool'],
  'completion' => ['list', { possible_values: ['acceptance', 'go_live'] }], 'billing' => ['string'],
}
ids = fields.to_h do |name, (format, options)|
  field = IssueCustomField.create!(
    name: name.tr('_', ' ').capitalize, field_format: format, is_for_all: true, is_filter: true, trackers: [tracker],
    **(options || {}))
  [name, field.id]
end

project = Project.create!(
  name: 'Delivery', identifier: 'delivery', trackers: [tracker], enabled_module_names: ['issue_tracking'])
people = { 'milestoned' => billing, 'consultant' => working, 'dana' => accepting }
keys = people.to_h do |login, role|
  user = User.new(firstname: login, lastname: 'Test', mail: "#{login}@customer.example", password: SecureRandom.hex)
  user.login = login
  user.pref.hide_mail = false
  user.save!
  Member.create!(project: project, principal: user, roles: [role])
  [login, user.api_key]
end

puts({ fields: ids, statuses: statuses.transform_values(&:id), keys: keys }.to_json)
