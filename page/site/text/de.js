// @ts-check
// German texts: the keys of text/en.js, in its order.

export const texts = {
  // Frame
  'frame.again': 'Noch einmal',
  'frame.charts': 'Verläufe',
  'frame.connecting': 'Verbindung wird aufgebaut',
  'frame.data': 'Daten',
  'frame.device': 'Fahrzeug',
  'frame.drives': 'Fahrten',
  'frame.failed': 'Das ließ sich nicht anzeigen. Lade die Seite neu, oder versuche es noch einmal.',
  'frame.live': 'Live',
  'frame.lost': 'Nicht verbunden',
  'frame.noServer': 'Der Server antwortet nicht. Was du siehst, kann alt sein. Die Seite versucht es weiter.',
  'frame.settings': 'Einstellungen',
  'frame.skip': 'Zum Inhalt',
  'frame.views': 'Ansichten',

  // First visit
  'empty.copied': 'Kopiert',
  'empty.copy': 'Kopieren',
  'empty.key': 'Odograph zeigt den Schlüssel beim Start. Er steht auch in der Datei api-key im Datenordner.',
  'empty.line': 'Befehl, der einen Messwert sendet',
  'empty.text': 'Sende einen aus einem Terminal, mit deinem Schlüssel statt YOUR_KEY:',
  'empty.title': 'Noch keine Messwerte',
  'empty.waiting': 'Diese Seite zeigt den ersten Messwert, sobald er da ist.',

  // Settings
  'settings.done': 'Fertig',
  'settings.language': 'Sprache',
  'settings.language.de': 'Deutsch',
  'settings.language.en': 'English',
  'settings.theme': 'Darstellung',
  'settings.theme.auto': 'Wie das System',
  'settings.theme.dark': 'Dunkel',
  'settings.theme.light': 'Hell',
  'settings.title': 'Einstellungen',
  'settings.units': 'Einheiten',
  'settings.units.imperial': 'Meilen, °F',
  'settings.units.metric': 'Kilometer, °C',
  'settings.zone': 'Zeitzone',
  'settings.zone.viewer': 'Deine ({zone})',
};
