// @ts-check
// English texts: keys in alphabetical blocks, one block for each part of the page.

export const texts = {
  // Frame
  'frame.again': 'Try again',
  'frame.charts': 'Charts',
  'frame.connecting': 'Connecting',
  'frame.data': 'Data',
  'frame.device': 'Vehicle',
  'frame.drives': 'Drives',
  'frame.failed': 'This could not be shown. Reload the page, or try again.',
  'frame.live': 'Live',
  'frame.lost': 'Not connected',
  'frame.noServer': 'The server does not answer. What you see may be old. Trying again by itself.',
  'frame.settings': 'Settings',
  'frame.skip': 'Skip to content',
  'frame.views': 'Views',

  // First visit
  'empty.copied': 'Copied',
  'empty.copy': 'Copy',
  'empty.key': 'Odograph prints the key when it starts, and keeps it in the file api-key of its data folder.',
  'empty.line': 'Command that sends a reading',
  'empty.text': 'Send one from a terminal, with your key in the place of YOUR_KEY:',
  'empty.title': 'No readings yet',
  'empty.waiting': 'This page shows the first reading as soon as it is there.',

  // Settings
  'settings.done': 'Done',
  'settings.language': 'Language',
  'settings.language.de': 'Deutsch',
  'settings.language.en': 'English',
  'settings.theme': 'Appearance',
  'settings.theme.auto': 'As the system',
  'settings.theme.dark': 'Dark',
  'settings.theme.light': 'Light',
  'settings.title': 'Settings',
  'settings.units': 'Units',
  'settings.units.imperial': 'Miles, °F',
  'settings.units.metric': 'Kilometres, °C',
  'settings.zone': 'Time zone',
  'settings.zone.viewer': 'Yours ({zone})',
};
